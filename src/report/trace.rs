//! What a report says of a trace: the trajectories, the claim along them, and the guarantee beside what it bounds.

use super::certificate::{claim, quoted, source, title};
use super::page::{Block, Chapter, Code, Section, Table};
use super::words::{count, short};
use super::{Entry, plot};
use crate::trace::record::{Guarantee, Held, Method, Outcome, Place, Trace};

/// Trajectories that a table shows.
const SHOWN: usize = 16;

/// The chapter of a trace.
pub fn chapter(entry: &Entry, trace: &Trace) -> Chapter {
    let mut sections = vec![
        Section::new("Claim", claim(&trace.case, &trace.statement)),
        Section::new("Answers", answers(trace)),
    ];
    if let Some(guarantee) = &trace.guarantee {
        sections.push(Section::new("Guarantee", guaranteed(guarantee)));
    }
    sections.push(Section::new("Trajectories", trajectories(trace)));
    sections.push(Section::new("Check it yourself", check(entry, trace)));
    Chapter {
        title: title(&trace.case),
        kind: "Trace",
        answer: answer(trace),
        case: trace.case.name.clone(),
        source: source(&trace.case),
        sections,
    }
}

/// The answer in a few words: of the conclusion where there is one, else of the inequality.
pub fn answer(trace: &Trace) -> String {
    let inequality = word(trace.answers.inequality.outcome);
    match &trace.answers.conclusion {
        Some(conclusion) => format!("inequality {inequality}, conclusion {}", word(conclusion.outcome)),
        None => format!("inequality {inequality}"),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Failed => "failed",
        Outcome::Suspected => "suspected to fail",
        Outcome::Open => "open",
    }
}

fn answers(trace: &Trace) -> Vec<Block> {
    let answers = &trace.answers;
    let inequality = match answers.inequality.outcome {
        Outcome::Held => {
            "At every iterate of these trajectories that lies in the region the computed slack is not below minus the \
             tolerance. That is binary64 arithmetic at these points, and shows nothing elsewhere in the region."
        }
        Outcome::Failed => {
            "At one iterate in the region the inequality fails beyond doubt: the slack there was enclosed in intervals, \
             wholly below 0. The claim as stated here is false."
        }
        Outcome::Suspected => {
            "At some iterate the computed slack is below minus the tolerance, which could not be confirmed in intervals."
        }
        Outcome::Open => "No iterate in the region tells.",
    };
    let mut blocks = vec![
        Block::Text(format!(
            "In the words of the record: {}.",
            trace.reason.trim_end_matches('.')
        )),
        Block::Answer {
            word: word(answers.inequality.outcome).to_owned(),
            sentence: format!("The inequality along the trajectories. {inequality}"),
        },
    ];
    if let Some(conclusion) = &answers.conclusion {
        let sentence = match conclusion.outcome {
            Outcome::Held => {
                "The computed numbers stay within the bound of the guarantee at every iterate of these trajectories. \
                 That does not prove the guarantee."
            }
            Outcome::Failed => {
                "The bound fails on a trajectory that stays in the region, by more than rounding: the claim or a hypothesis of the \
                 guarantee does not hold here, or the guarantee is wrong."
            }
            Outcome::Suspected => {
                "The bound seems to fail, which could not be confirmed or which a statement about expectations allows."
            }
            Outcome::Open => "The iterates left the region or diverged, where the guarantee claims nothing.",
        };
        blocks.push(Block::Answer {
            word: word(conclusion.outcome).to_owned(),
            sentence: format!("The conclusion of the guarantee. {sentence}"),
        });
    }
    let place = |place: Option<Place>| match place {
        Some(place) => format!("step {} from start {}", count(place.t), count(place.start)),
        None => "nowhere".to_owned(),
    };
    let mut rows = vec![
        vec![
            "Smallest slack in the region".to_owned(),
            answers.inequality.least_slack.map_or("none".to_owned(), short),
            place(answers.inequality.at),
        ],
        vec![
            "Left the region first".to_owned(),
            String::new(),
            place(answers.left_region_at),
        ],
        vec![
            "Diverged first".to_owned(),
            String::new(),
            place(answers.diverged_at),
        ],
    ];
    if let Some(conclusion) = &answers.conclusion {
        rows.push(vec![
            "Bound fails first".to_owned(),
            String::new(),
            place(conclusion.at),
        ]);
    }
    if let Some(looseness) = answers.looseness {
        rows.push(vec![
            "Bound over what it bounds, at the end".to_owned(),
            short(looseness),
            "smallest over the starts".to_owned(),
        ]);
    }
    blocks.push(Block::Table(Table {
        caption: "What was measured along the trajectories".to_owned(),
        head: vec!["What", "Number", "Where"],
        rows,
    }));
    blocks
}

fn guaranteed(guarantee: &Guarantee) -> Vec<Block> {
    let held = match guarantee.held {
        Held::Least => "the running minimum",
        Held::G => "g at the iterate",
    };
    let theorem = match guarantee.theorem.as_str() {
        "bound" => "The bound is the one that the case writes out".to_owned(),
        name => format!("The bound is that of the theorem {name}"),
    };
    let mut blocks = vec![
        Block::Formulas {
            latex: vec![guarantee.latex.clone()],
            words: guarantee.words.clone(),
        },
        Block::Text(format!(
            "{theorem}, and is held against {held}. Whether its hypotheses hold is not checked by a trace."
        )),
    ];
    if !guarantee.constants.is_empty() {
        let constants = guarantee.constants.iter();
        blocks.push(Block::Table(Table {
            caption: "Constants of the bound".to_owned(),
            head: vec!["Constant", "Value"],
            rows: constants
                .map(|(name, value)| vec![name.clone(), short(*value)])
                .collect(),
        }));
    }
    blocks
}

fn trajectories(trace: &Trace) -> Vec<Block> {
    let mut blocks: Vec<Block> = plot::trace(trace).into_iter().map(Block::Figure).collect();
    let at = |t: Option<u64>| t.map_or("never".to_owned(), count);
    let rows = trace.runs.iter().take(SHOWN).map(|run| {
        let summary = &run.summary;
        let least = summary.least_slack.map_or("none".to_owned(), |at| {
            format!("{} at step {}", short(at.value), count(at.t))
        });
        vec![
            run.start.to_string(),
            count(summary.last),
            least,
            count(summary.violations),
            at(summary.fails_at),
            at(summary.left_region_at),
            summary.looseness.map_or("none".to_owned(), short),
        ]
    });
    let shown = if trace.runs.len() > SHOWN {
        format!(" (the first {SHOWN} of {})", trace.runs.len())
    } else {
        String::new()
    };
    blocks.push(Block::Table(Table {
        caption: format!("Each trajectory{shown}: steps, and the first step at which something happens"),
        head: vec![
            "Start",
            "Steps",
            "Smallest slack",
            "Below",
            "Bound fails",
            "Leaves region",
            "Bound over bounded",
        ],
        rows: rows.collect(),
    }));
    blocks
}

fn check(entry: &Entry, trace: &Trace) -> Vec<Block> {
    let case = entry
        .source
        .map_or("CASE.json".to_owned(), |source| quoted(&source.file));
    let options = &trace.options;
    let method = match options.method {
        Method::Gd => "gradient descent".to_owned(),
        Method::Sgd => format!(
            "stochastic gradient descent, batches of {}",
            options.batch.map_or("unknown size".to_owned(), count)
        ),
    };
    vec![
        Block::Text(
            "A trace is binary64 arithmetic along some trajectories. The command makes it anew, from the same seed."
                .to_owned(),
        ),
        Block::Code(Code {
            language: "sh",
            text: format!("proxycert trace {case}"),
            folded: None,
        }),
        Block::Table(Table {
            caption: "Digests, versions and what was run".to_owned(),
            head: vec!["Item", "Value"],
            rows: vec![
                vec!["Record".to_owned(), trace.digest.clone()],
                vec!["Case, with its data".to_owned(), format!("sha256:{}", trace.case.digest)],
                vec!["Made by".to_owned(), format!("{} {}", trace.tool.name, trace.tool.version)],
                vec!["Method".to_owned(), method],
                vec!["Step size".to_owned(), options.step.clone()],
                vec!["Steps, starts, seed".to_owned(), format!("{}, {}, {}", count(options.steps), count(options.starts), options.seed)],
            ],
        }),
    ]
}
