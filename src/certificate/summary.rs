//! Many certificates at a glance: what `certify` says of a folder, a row for each case.
//!
//! Everything but the `run` block is a pure function of the cases, the options, the version and the paths as given.
//! A summary is no evidence: that stands in the certificates.

use serde::Serialize;

use super::{Certificate, Tool};
use crate::engine::Verdict;
use crate::error::Error;

/// Names the format in every summary.
pub const FORMAT: &str = "proxycert-summary";
/// Version of the format.
pub const VERSION: u32 = 1;

/// A summary.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// [`FORMAT`]
    pub format: &'static str,
    /// [`VERSION`]
    pub version: u32,
    /// the program that made it
    pub tool: Tool,
    /// how many cases ended in which way
    pub counts: Counts,
    /// the cases, in the order in which they ran
    pub cases: Vec<Row>,
    /// what varies from run to run
    pub run: Run,
}

/// How many cases ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub proved: usize,
    pub supported: usize,
    pub undecided: usize,
    pub refuted: usize,
    /// a file was at fault
    pub faulty: usize,
    /// the run failed
    pub failed: usize,
}

/// One case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// its file
    pub file: String,
    /// what came of it
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a case.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Outcome {
    /// a verdict
    Certified {
        /// the case's name
        name: String,
        /// the case's digest
        case: String,
        /// the answer
        verdict: Verdict,
        /// see [`method`]
        method: String,
        /// see [`bound`]
        bound: String,
        /// the certificate's digest
        certificate: String,
    },
    /// no verdict
    Failed {
        /// the message
        error: String,
        /// exit code that it stands for: 2 where a file is at fault, 4 where the run failed
        exit_code: u8,
    },
}

/// What varies from run to run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// wall time of the engines for each case, in the order of the cases; 0 where there is no verdict
    pub seconds: Vec<f64>,
    /// threads
    pub threads: usize,
    /// operating system and processor architecture
    pub platform: String,
}

impl Row {
    /// The row of a case.
    pub fn new(file: String, outcome: &Result<Certificate, Error>) -> Row {
        let outcome = match outcome {
            Ok(certificate) => Outcome::Certified {
                name: certificate.case.name.clone(),
                case: certificate.case.digest.clone(),
                verdict: certificate.verdict,
                method: method(certificate),
                bound: bound(certificate),
                certificate: certificate.digest.clone(),
            },
            Err(error) => Outcome::Failed {
                error: error.to_string(),
                exit_code: error.exit_code(),
            },
        };
        Row { file, outcome }
    }

    /// The row as a table shows it: name, verdict, method, bound.
    pub fn cells(&self) -> [&str; 4] {
        match &self.outcome {
            Outcome::Certified {
                name,
                verdict,
                method,
                bound,
                ..
            } => [name, verdict.word(), method, bound],
            Outcome::Failed { exit_code: 2, .. } => [&self.file, "faulty", "", ""],
            Outcome::Failed { .. } => [&self.file, "failed", "", ""],
        }
    }
}

impl Summary {
    /// The summary of these cases, which took so many seconds each.
    pub fn new(cases: Vec<Row>, seconds: Vec<f64>) -> Summary {
        let mut counts = Counts::default();
        for row in &cases {
            *match &row.outcome {
                Outcome::Certified { verdict, .. } => match verdict {
                    Verdict::Proved => &mut counts.proved,
                    Verdict::Supported => &mut counts.supported,
                    Verdict::Undecided => &mut counts.undecided,
                    Verdict::Refuted => &mut counts.refuted,
                },
                Outcome::Failed { exit_code: 2, .. } => &mut counts.faulty,
                Outcome::Failed { .. } => &mut counts.failed,
            } += 1;
        }
        Summary {
            format: FORMAT,
            version: VERSION,
            tool: Tool::this(),
            counts,
            cases,
            run: Run {
                seconds,
                threads: rayon::current_num_threads(),
                platform: super::platform(),
            },
        }
    }

    /// The summary as indented JSON with a final newline.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// What the verdict rests on, in a few words.
pub fn method(certificate: &Certificate) -> String {
    let evidence = &certificate.evidence;
    let samples = evidence.sampling.uniform.count;
    if let Some(found) = &evidence.population {
        return format!(
            "{}, {} points",
            counted(found.draws, "draw", "draws"),
            found.points
        );
    }
    match (certificate.verdict, &evidence.proof, &evidence.search) {
        (Verdict::Proved, Some(proof), _) if proof.by_curvature() => proof.rule.clone(),
        (Verdict::Proved, Some(proof), _) => {
            format!("{}, {}", proof.rule, counted(proof.boxes, "box", "boxes"))
        }
        (Verdict::Refuted, _, Some(search)) => {
            format!("search, {}", counted(search.starts, "start", "starts"))
        }
        (Verdict::Refuted, _, None) => "sampling".to_owned(),
        _ => counted(samples, "sample", "samples"),
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What the certificate says of the slack or of the share of the region that could violate the claim, in three
/// digits, rounded so that it says no more.
pub fn bound(certificate: &Certificate) -> String {
    let evidence = &certificate.evidence;
    if let Some(found) = &evidence.population {
        let [low, high] = found.worst.interval;
        let (low, high) = (rounded_down(low), rounded_up(high));
        return format!("mean in [{low}, {high}] ({})", found.confidence);
    }
    match (certificate.verdict, &evidence.proof, &evidence.witness) {
        (Verdict::Proved, Some(proof), _) if proof.by_curvature() => "slack >= 0".to_owned(),
        (Verdict::Proved, ..) => format!("slack >= {}", minus(&certificate.statement.tolerance)),
        (Verdict::Refuted, _, Some(witness)) => format!("slack <= {}", rounded_up(witness.slack[1])),
        _ => {
            let share = &evidence.sampling.uniform.violating_share;
            format!("share <= {} ({})", rounded_up(share.at_most), share.confidence)
        }
    }
}

/// Minus a text, in parentheses where it may be a sum.
fn minus(text: &str) -> String {
    if text.parse::<f64>().is_ok() {
        format!("-{text}")
    } else {
        format!("-({text})")
    }
}

/// Three digits of a number, rounded down.
fn rounded_down(x: f64) -> String {
    let mirrored = rounded_up(-x);
    match mirrored.strip_prefix('-') {
        Some(size) => size.to_owned(),
        None => format!("-{mirrored}"),
    }
}

/// Three digits of a number, rounded up.
fn rounded_up(x: f64) -> String {
    let near = format!("{x:.2e}");
    let shown: f64 = near.parse().unwrap_or(x);
    if shown >= x {
        return near;
    }
    // one unit of the last digit more
    let exponent = format!("{x:e}")
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    format!("{:.2e}", shown + 10f64.powi(exponent - 2))
}

#[cfg(test)]
mod tests {
    use super::{minus, rounded_up};

    #[test]
    fn the_whole_tolerance_is_subtracted() {
        assert_eq!(minus("1e-9"), "-1e-9");
        assert_eq!(minus("1 - 0.9"), "-(1 - 0.9)");
    }

    #[test]
    fn three_digits_say_no_more_than_all() {
        for (x, text) in [
            (-4.174635, "-4.17e0"),
            (-4.176, "-4.17e0"),
            (-4.17, "-4.17e0"),
            (-9.999e-5, "-9.99e-5"),
            (-1.0001e-3, "-1.00e-3"),
            (-1.006e-3, "-1.00e-3"),
            (4.604e-4, "4.61e-4"),
            (9.991e-4, "1.00e-3"),
            (1.0, "1.00e0"),
        ] {
            assert_eq!(rounded_up(x), text);
            assert!(text.parse::<f64>().unwrap() >= x);
        }
    }
}
