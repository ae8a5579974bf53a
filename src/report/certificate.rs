//! What a report says of a certificate.

use super::page::{Block, Chapter, Code, Section, Table};
use super::words::{count, full, percent, percent_up, short};
use super::{Entry, cover, numpy, plot, slice, words};
use crate::certificate::{CaseRecord, Certificate};
use crate::claim::statement::Statement;
use crate::engine::Verdict;
use crate::engine::population::Expectations;
use crate::engine::sample::Extreme;
use crate::guarantee::Guarantee;

/// Coordinates of a point that a table shows.
const SHOWN: usize = 24;

/// The chapter of a certificate.
pub fn chapter(entry: &Entry, certificate: &Certificate) -> Chapter {
    let word = certificate.verdict.word().to_owned();
    let mut sections = vec![
        Section::new("Claim", claim(&certificate.case, &certificate.statement)),
        Section::new("Verdict", verdict(certificate, &word)),
    ];
    match &certificate.evidence.population {
        // histogram and surroundings would be those of one draw
        Some(found) => sections.push(Section::new("Expected slack", expected(found))),
        None => sections.extend([
            Section::new("Sampled slack", sampled(certificate)),
            Section::new("Slack around a point", around(entry, certificate)),
        ]),
    }
    if let Some(proof) = &certificate.evidence.proof {
        let blocks = cover::blocks(proof, entry.source.map(|source| &source.claim));
        sections.push(Section::new("How the region was covered", blocks));
    }
    if certificate.evidence.witness.is_some() {
        sections.push(Section::new("The witness in Python", python(entry, certificate)));
    }
    if let Some(guarantee) = &certificate.guarantee {
        sections.push(Section::new("What follows", guaranteed(guarantee)));
    }
    sections.push(Section::new("Check it yourself", check(entry, certificate)));
    Chapter {
        title: title(&certificate.case),
        kind: "Certificate",
        answer: word,
        case: certificate.case.name.clone(),
        source: source(&certificate.case),
        sections,
    }
}

/// The title of a case, or its name where it has none.
pub fn title(case: &CaseRecord) -> String {
    if case.title.is_empty() {
        case.name.clone()
    } else {
        case.title.clone()
    }
}

/// The work and the place in it.
pub fn source(case: &CaseRecord) -> String {
    let parts: Vec<&str> = [case.work.as_str(), case.place.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(", ")
}

/// The statement, typeset and in words, and what it speaks of.
pub fn claim(case: &CaseRecord, statement: &Statement) -> Vec<Block> {
    let data: Vec<String> = case
        .data
        .iter()
        .map(|(name, array)| {
            let sizes: Vec<String> = array.shape.iter().map(usize::to_string).collect();
            match sizes.is_empty() {
                true => name.clone(),
                false => format!("{name} ({})", sizes.join(" × ")),
            }
        })
        .collect();
    let mut rows = vec![
        vec!["Kind of claim".to_owned(), statement.kind.clone()],
        vec!["Parameters".to_owned(), count(statement.parameters as u64)],
        vec!["Tolerance".to_owned(), statement.tolerance.clone()],
    ];
    if !data.is_empty() {
        rows.push(vec!["Data".to_owned(), data.join(", ")]);
    }
    vec![
        // the formula first, then what its letters stand for
        Block::Formulas {
            latex: statement.latex.split(r",\quad ").map(str::to_owned).collect(),
            words: statement.words.clone(),
        },
        Block::Table(Table {
            caption: "What the claim speaks of".to_owned(),
            head: vec!["Item", "Value"],
            rows,
        }),
    ]
}

fn verdict(certificate: &Certificate, word: &str) -> Vec<Block> {
    let mut blocks = vec![
        Block::Answer {
            word: word.to_owned(),
            sentence: words::verdict(certificate),
        },
        Block::Text(format!("In the words of the certificate: {}.", certificate.reason.trim_end_matches('.'))),
        Block::Text(
            "The slack is the left side of the inequality minus its right side: the claim says that it is nowhere \
             negative on the region."
                .to_owned(),
        ),
    ];
    if let Some(witness) = &certificate.evidence.witness {
        for (name, side) in [("w", &witness.w), ("v", &witness.v)] {
            if !side.is_empty() {
                blocks.push(coordinates(&format!("The witness: {name}"), side));
            }
        }
    }
    blocks
}

/// What the test of expectations measured.
fn expected(found: &Expectations) -> Vec<Block> {
    let [low, high] = found.worst.interval;
    let rows = [
        ("Drawn anew", found.over.join(", ")),
        (
            "Draws, and examples in each",
            format!("{} of {}", count(found.draws), count(found.rows)),
        ),
        (
            "Points tested, of them chosen by screening",
            format!("{}, {}", count(found.points), count(found.screened)),
        ),
        (
            "Intervals",
            format!("{}; they rest on this: {}", found.method, found.assumption),
        ),
        ("Confidence that all hold together", percent(found.confidence)),
        (
            "Points whose interval lies below minus the tolerance",
            count(found.violated),
        ),
        (
            "Points whose interval lies above minus the tolerance",
            count(found.resolved),
        ),
        ("Widest interval", format!("± {}", short(found.resolution))),
        ("Worst point: mean", short(found.worst.mean)),
        (
            "Worst point: interval",
            format!("{} to {}", full(low), full(high)),
        ),
    ];
    vec![Block::Table(Table {
        caption: "Confidence intervals of the expected slack".to_owned(),
        head: vec!["Item", "Value"],
        rows: rows.map(|(item, value)| vec![item.to_owned(), value]).to_vec(),
    })]
}

/// A point, coordinate by coordinate.
fn coordinates(what: &str, side: &[String]) -> Block {
    let rest = side.len().saturating_sub(SHOWN);
    let caption = if rest > 0 {
        format!("{what}, its first {SHOWN} coordinates of {}", side.len())
    } else {
        format!("{what}, exactly")
    };
    let rows = side.iter().take(SHOWN).enumerate();
    Block::Table(Table {
        caption,
        head: vec!["Coordinate", "Value"],
        rows: rows
            .map(|(place, x)| vec![place.to_string(), x.clone()])
            .collect(),
    })
}

fn sampled(certificate: &Certificate) -> Vec<Block> {
    let sampling = &certificate.evidence.sampling;
    let uniform = &sampling.uniform;
    let mut blocks = Vec::new();
    if let Some(figure) = uniform
        .histogram
        .as_ref()
        .and_then(|histogram| plot::histogram(histogram, certificate.options.tolerance))
    {
        blocks.push(Block::Figure(figure));
    }
    if uniform.quantiles.len() > 1 && uniform.count > 1 {
        let rows = uniform.quantiles.iter();
        blocks.push(Block::Table(Table {
            caption: "Quantiles: the smallest slack with at least that share of the points at or below it"
                .to_owned(),
            head: vec!["Share of the points", "Slack"],
            rows: rows
                .map(|quantile| vec![percent(quantile.share), short(quantile.slack)])
                .collect(),
        }));
    }
    let lowest = |minimum: &Option<Extreme>| minimum.as_ref().map_or("none".to_owned(), |at| short(at.slack));
    let mut rows = vec![vec![
        "uniform on the region".to_owned(),
        count(uniform.count),
        count(uniform.violations),
        count(uniform.undefined),
        lowest(&uniform.minimum),
    ]];
    for directed in &sampling.directed {
        rows.push(vec![
            directed.points.clone(),
            count(directed.count),
            count(directed.violations),
            count(directed.undefined),
            lowest(&directed.minimum),
        ]);
    }
    if let Some(search) = &certificate.evidence.search {
        rows.push(vec![
            format!("search from {} starts", count(search.starts)),
            count(search.evaluations),
            "not counted".to_owned(),
            "not counted".to_owned(),
            search.lowest.map_or("none".to_owned(), short),
        ]);
    }
    blocks.push(Block::Table(Table {
        caption: "Where the slack was evaluated, in binary64. Below: slack below minus the tolerance; undefined: not a \
                  number there"
            .to_owned(),
        head: vec!["Points", "How many", "Below", "Undefined", "Smallest slack"],
        rows,
    }));
    let share = &uniform.violating_share;
    if uniform.count > 1 {
        blocks.push(Block::Text(format!(
            "With confidence {}, the computed slack is below minus the tolerance on at most {} of the region \
             (Clopper-Pearson). Only the uniform points enter this bound; the others were chosen to find violations.",
            percent(share.confidence),
            percent_up(share.at_most)
        )));
    }
    blocks
}

fn around(entry: &Entry, certificate: &Certificate) -> Vec<Block> {
    let Some(source) = entry.source else {
        return vec![Block::Text(
            "A picture of the slack around its worst known point needs the case: make the report again with \
             --case and the case file."
                .to_owned(),
        )];
    };
    match slice::around(certificate, &source.claim) {
        Ok(slice) => match plot::slice(&slice) {
            Some(figure) => vec![Block::Figure(figure)],
            None => vec![Block::Text(
                "The slack is nowhere finite around this point.".to_owned(),
            )],
        },
        Err(reason) => vec![Block::Text(reason)],
    }
}

fn python(entry: &Entry, certificate: &Certificate) -> Vec<Block> {
    let (Some(source), Some(witness)) = (entry.source, &certificate.evidence.witness) else {
        return vec![Block::Text(
            "A program that recomputes the slack at the witness with numpy needs the case: make the report again \
             with --case and the case file."
                .to_owned(),
        )];
    };
    match numpy::program(&source.claim, witness) {
        Ok(program) => {
            let mut blocks = vec![Block::Text(
                "This program needs Python and numpy only. It was made from the same expression as the certificate, \
                 derivatives included, so it is a check of the numbers and not of the expression."
                    .to_owned(),
            )];
            if numpy::is_below_rounding(witness) {
                blocks.push(Block::Text(
                    "The slack is so close to 0 that binary64 arithmetic may not show its sign; the enclosure in the \
                     certificate does."
                        .to_owned(),
                ));
            }
            blocks.push(Block::Code(Code {
                language: "python",
                folded: (program.lines().count() > 40)
                    .then(|| format!("Show the program ({} lines)", program.lines().count())),
                text: program,
            }));
            blocks
        }
        Err(reason) => vec![Block::Text(reason)],
    }
}

/// The guarantee for gradient descent, with its hypotheses.
fn guaranteed(guarantee: &Guarantee) -> Vec<Block> {
    let meaning = match guarantee.verdict {
        Verdict::Proved => {
            "The claim and every hypothesis below are proved for this case, each up to its tolerance: what the theorem asks for. \
             The theorem itself is not checked."
        }
        Verdict::Refuted => {
            "The theorem does not apply: the claim or a hypothesis below is false here. Its conclusion may still hold for \
             other reasons."
        }
        Verdict::Supported => {
            "The claim and the hypotheses below were not all proved; none was found to be violated. This is no proof."
        }
        Verdict::Undecided => {
            "Whether the theorem applies is open: the claim or a hypothesis below is undecided."
        }
    };
    let hypotheses = guarantee.hypotheses.iter().map(|hypothesis| {
        vec![
            hypothesis.name.clone(),
            hypothesis.words.clone(),
            hypothesis.verdict.word().to_owned(),
            hypothesis.reason.clone(),
        ]
    });
    let mut blocks = vec![
        Block::Formulas {
            latex: vec![guarantee.latex.clone()],
            words: guarantee.words.clone(),
        },
        Block::Answer {
            word: guarantee.verdict.word().to_owned(),
            sentence: format!(
                "{meaning} In the words of the certificate: {}.",
                guarantee.reason.trim_end_matches('.')
            ),
        },
        Block::Table(Table {
            caption: format!(
                "Hypotheses of the theorem {}, besides the claim",
                guarantee.theorem
            ),
            head: vec!["Hypothesis", "What it says", "Verdict", "Why"],
            rows: hypotheses.collect(),
        }),
    ];
    if !guarantee.constants.is_empty() {
        let constants = guarantee.constants.iter();
        blocks.push(Block::Table(Table {
            caption: "Constants of the conclusion".to_owned(),
            head: vec!["Constant", "Value"],
            rows: constants
                .map(|(name, value)| vec![name.clone(), short(*value)])
                .collect(),
        }));
    }
    blocks
}

fn check(entry: &Entry, certificate: &Certificate) -> Vec<Block> {
    let checks = &certificate.cross_checks;
    let mut rows = vec![
        vec!["Certificate".to_owned(), certificate.digest.clone()],
        vec![
            "Case, with its data".to_owned(),
            format!("sha256:{}", certificate.case.digest),
        ],
        vec![
            "Made by".to_owned(),
            format!("{} {}", certificate.tool.name, certificate.tool.version),
        ],
        vec![
            "Samples, seed".to_owned(),
            format!(
                "{}, {}",
                count(certificate.options.samples),
                certificate.options.seed
            ),
        ],
        vec![
            "Tolerance in binary64".to_owned(),
            full(certificate.options.tolerance),
        ],
        vec!["Boxes at most".to_owned(), count(certificate.options.max_boxes)],
        vec![
            "Platform, threads".to_owned(),
            format!("{}, {}", certificate.run.platform, certificate.run.threads),
        ],
        vec!["Time".to_owned(), format!("{} s", short(certificate.run.seconds))],
    ];
    if let Some(gradient) = checks.gradient {
        rows.push(vec![
            "Gradient, against Burn's autodiff".to_owned(),
            format!(
                "{} relative difference at most, at {} points",
                short(gradient),
                count(checks.points)
            ),
        ]);
    }
    rows.push(vec![
        "Slack, against Burn".to_owned(),
        format!(
            "{} relative difference at most, at {} points",
            short(checks.bulk),
            count(checks.points)
        ),
    ]);
    if let Some((device, apart)) = certificate.options.device.zip(checks.device) {
        rows.push(vec![
            "Sampled on".to_owned(),
            format!(
                "Burn's device {device}; {} relative difference from the bulk evaluator at most, at {} points",
                short(apart),
                count(checks.points)
            ),
        ]);
    }
    let agreed = match entry.source {
        Some(_) => {
            "Case and statement were compared with the case file when this page was made; the evidence was not \
                    recomputed."
        }
        None => "This page was made without the case file: nothing was compared with it.",
    };
    vec![
        Block::Text(
            "The first command builds the claim anew from the case that you hold and recomputes the decisive part in \
             other arithmetic; the second makes the certificate anew. Neither trusts this page. Exit code 0 of the \
             first means that the certificate holds, 1 that it is refused."
                .to_owned(),
        ),
        commands(entry, certificate),
        Block::Text(agreed.to_owned()),
        Block::Table(Table {
            caption: "Digests, versions and agreement of independent evaluators".to_owned(),
            head: vec!["Item", "Value"],
            rows,
        }),
    ]
}

/// The commands that check a certificate.
fn commands(entry: &Entry, certificate: &Certificate) -> Block {
    let case = entry
        .source
        .map_or("CASE.json".to_owned(), |source| quoted(&source.file));
    let settings: String = entry
        .source
        .iter()
        .flat_map(|source| &source.settings)
        .map(|(name, value)| format!(" --set {}", quoted(&format!("{name}={value}"))))
        .collect();
    let device = (certificate.options.device)
        .map(|device| format!(" --device {device}"))
        .unwrap_or_default();
    Block::Code(Code {
        language: "sh",
        text: format!(
            "proxycert verify {} --case {case}{settings}\nproxycert certify {case}{settings}{device}",
            quoted(&entry.file)
        ),
        folded: None,
    })
}

/// A word of a shell command.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=+,:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
