//! What the trajectories come to: answers, and the sentence that gives them.

use super::record::{Answers, At, Conclusion, Held, Inequality, Outcome, Place, Trajectory};
use super::{Walk, held, missed};
use crate::claim::Claim;
use crate::claim::descent::Descent;
use crate::engine::sample::Candidate;
use crate::engine::search;

/// The answers, and in words.
pub(super) fn answers(claim: &Claim, descent: &Descent, walks: &[Walk]) -> (Answers, String) {
    let runs: Vec<&Trajectory> = walks.iter().map(|walk| &walk.trajectory).collect();
    let first = |event: fn(&Trajectory) -> Option<u64>| {
        let events = runs.iter().filter_map(|run| Some((event(run)?, run.start)));
        events.min().map(|(t, start)| Place { start, t })
    };
    let left_region_at = first(|run| run.summary.left_region_at);
    let diverged_at = first(|run| run.summary.diverged_at);
    let inequality = inequality(claim, walks);
    let conclusion = descent.guarantee.as_ref().map(|guarantee| {
        let fails = if descent.examples.is_some() {
            means_fail(&runs, held(guarantee)).map(|t| (Place { start: 0, t }, Outcome::Suspected))
        } else {
            first(|run| run.summary.fails_at).map(|place| (place, Outcome::Failed))
        };
        match fails {
            Some((at, outcome)) => Conclusion {
                outcome,
                at: Some(at),
            },
            None if left_region_at.is_some() || diverged_at.is_some() => Conclusion {
                outcome: Outcome::Open,
                at: None,
            },
            None => Conclusion {
                outcome: Outcome::Held,
                at: None,
            },
        }
    });
    let looseness = runs
        .iter()
        .filter_map(|run| run.summary.looseness)
        .reduce(f64::min);
    let answers = Answers {
        inequality,
        conclusion,
        looseness,
        left_region_at,
        diverged_at,
    };
    let reason = words(&answers, descent);
    (answers, reason)
}

/// Whether the claim's inequality holds at the iterates inside the region.
fn inequality(claim: &Claim, walks: &[Walk]) -> Inequality {
    let least = walks
        .iter()
        .filter_map(|walk| {
            let At { t, value } = walk.trajectory.summary.least_slack?;
            let start = walk.trajectory.start;
            Some((value, Place { start, t }))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let mut suspects: Vec<Candidate> = walks.iter().flat_map(|walk| walk.suspects.clone()).collect();
    suspects.sort_by(|a, b| a.slack.total_cmp(&b.slack));
    let witness = search::confirm(claim, &suspects);
    let violated = walks.iter().any(|walk| walk.trajectory.summary.violations > 0);
    Inequality {
        outcome: match (&witness, violated, least) {
            (Some(_), _, _) => Outcome::Failed,
            (None, true, _) => Outcome::Suspected,
            (None, false, Some(_)) => Outcome::Held,
            (None, false, None) => Outcome::Open,
        },
        least_slack: least.map(|(slack, _)| slack),
        at: least.map(|(_, place)| place),
        witness,
    }
}

/// The first recorded iterate at which the mean over all starts lies above the mean of the bounds.
fn means_fail(runs: &[&Trajectory], held: Held) -> Option<u64> {
    let first = runs.first()?;
    let whole =
        |run: &&&Trajectory| run.summary.left_region_at.is_none() && run.summary.diverged_at.is_none();
    if !runs.iter().all(|run| whole(&run)) {
        return None;
    }
    let count = runs.len() as f64;
    (0..first.records.len()).find_map(|place| {
        let (mut value, mut bound, mut scale) = (0.0, 0.0, 0.0);
        for run in runs {
            let record = run.records.get(place)?;
            value += match held {
                Held::Least => record.least?,
                Held::G => record.g?,
            };
            bound += record.bound?;
            scale += run.records[0].f.abs();
        }
        missed(value / count, bound / count, scale / count).then_some(first.records[place].t)
    })
}

/// The answers in a few sentences.
fn words(answers: &Answers, descent: &Descent) -> String {
    let place = |place: &Place| format!("t = {} of start {}", place.t, place.start);
    let at = |at: &Option<Place>| at.as_ref().map_or("no iterate".to_owned(), place);
    let inequality = &answers.inequality;
    let least = inequality.least_slack.unwrap_or(f64::NAN);
    let mut sentences = vec![match inequality.outcome {
        Outcome::Held => format!(
            "the inequality holds at every iterate inside the region, in binary64; the smallest slack is {least:e}, at {}",
            at(&inequality.at)
        ),
        Outcome::Failed => match &inequality.witness {
            Some(witness) => format!(
                "the inequality fails at an iterate: its slack lies in [{:e}, {:e}], wholly below 0",
                witness.slack[0], witness.slack[1]
            ),
            None => "the inequality fails at an iterate".to_owned(),
        },
        Outcome::Suspected => format!(
            "a slack of {least:e} came out at {}, which intervals do not confirm",
            at(&inequality.at)
        ),
        Outcome::Open => {
            "no iterate lies in the region, so that nothing is said of the inequality".to_owned()
        }
    }];
    if let Some(conclusion) = &answers.conclusion {
        sentences.push(match (conclusion.outcome, descent.examples.is_some()) {
            (Outcome::Held, false) => "the conclusion holds at every iterate".to_owned(),
            (Outcome::Held, true) => {
                "the means over all starts satisfy the conclusion, which is about expectations".to_owned()
            }
            (Outcome::Failed, _) => format!(
                "the conclusion fails first at {}, although all iterates up to it lie in the region: the claim, a \
                 hypothesis or the bound is wrong",
                at(&conclusion.at)
            ),
            (Outcome::Suspected, _) => format!(
                "the means over all starts do not satisfy the conclusion at t = {}; it is about expectations, so \
                 that this refutes nothing",
                conclusion.at.map_or(0, |place| place.t)
            ),
            (Outcome::Open, _) => "the conclusion is open, since the iterates left its hypotheses".to_owned(),
        });
        if let Some(ratio) = answers.looseness {
            sentences.push(format!(
                "at the end the bound is {ratio:.3} times what was reached"
            ));
        }
    }
    if let Some(diverged) = &answers.diverged_at {
        sentences.push(format!(
            "the run diverges: a number at {} is not finite, and it ends there",
            place(diverged)
        ));
    }
    sentences.push(match &answers.left_region_at {
        Some(left) => format!(
            "the iterates leave the region, first at {}: from there on the claim says nothing of them",
            place(left)
        ),
        None => "all iterates lie in the region".to_owned(),
    });
    sentences.join("; ")
}

impl Answers {
    /// 0 where all held; 1 where the inequality is refuted at an iterate, or the conclusion fails inside the
    /// region; else 3.
    pub fn exit_code(&self) -> u8 {
        let outcomes = [
            Some(self.inequality.outcome),
            self.conclusion.as_ref().map(|conclusion| conclusion.outcome),
        ];
        let any = |wanted| outcomes.into_iter().flatten().any(|outcome| outcome == wanted);
        if any(Outcome::Failed) {
            1
        } else if any(Outcome::Suspected)
            || any(Outcome::Open)
            || self.left_region_at.is_some()
            || self.diverged_at.is_some()
        {
            3
        } else {
            0
        }
    }
}
