//! `tighten`: bracket an unknown constant.

use std::path::PathBuf;

use super::certify::Budget;
use super::output::Printer;
use super::{CaseFile, folder, load_case, replaceable};
use crate::claim::Claim;
use crate::error::Error;
use crate::tighten::{Side, tighten};

/// Find the best value of a constant: the edge between proved and refuted
#[derive(clap::Args)]
pub struct Tighten {
    #[command(flatten)]
    file: CaseFile,
    /// Folder for the certificates of the two ends, NAME.proved.json and NAME.refuted.json [default: not written]
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Try at most so many values
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=10_000))]
    runs: u64,
    #[command(flatten)]
    budget: Budget,
}

impl Tighten {
    /// Runs it; exit code 0 when a value is proved, 1 when both ends of the range are refuted, else 3.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        let case = load_case(&self.file.case, &self.file.access)?;
        if let Some(population) = &case.population {
            let fault = case.fault(
                &population.at,
                "no value of a constant is proved or refuted in expectation",
            );
            return Err(fault.expected("a case without `population`").into());
        }
        let paths = match &self.output {
            None => None,
            Some(output) => {
                folder(output)?;
                let paths =
                    ["proved", "refuted"].map(|word| output.join(format!("{}.{word}.json", case.name)));
                for path in &paths {
                    replaceable(path, &self.file.case, printer)?;
                }
                Some(paths)
            }
        };
        printer.note(&format!("{}: {}", case.name, case.title));
        let name = case.unknown.as_ref().map_or("", |unknown| &unknown.name);
        let found = tighten(&case, self.runs, |case| {
            let claim = Claim::new(case)?;
            let certificate = self.budget.certify(case, &claim, &printer.progress())?;
            let (value, word) = (&case.constants[name].value, certificate.verdict.word());
            printer.note(&format!("  {name} = {value:20} {word}"));
            Ok(certificate)
        })?;
        let bracket = &found.bracket;
        printer.note(&format!("{name}: {}", bracket.reason));
        if let Some(paper) = &bracket.paper {
            let side = match paper.stands {
                Some(Side::Proved) => "lies on the proved side, by comparison",
                Some(Side::Gap) => "lies in the gap",
                Some(Side::Refuted) => "lies on the refuted side, by comparison",
                None => "cannot be placed",
            };
            printer.note(&format!("  the paper's {} {side}", paper.value));
        }
        let ends = [
            (&found.proved, &bracket.proved),
            (&found.refuted, &bracket.refuted),
        ];
        for (path, (certificate, end)) in paths.iter().flatten().zip(ends) {
            if let (Some(certificate), Some(end)) = (certificate, end) {
                printer.file(path, &certificate.to_json())?;
                printer.note(&format!(
                    "  check it  proxycert verify {} --case {} --set {name}={}",
                    path.display(),
                    self.file.case.display(),
                    end.value
                ));
            }
        }
        if paths.is_none() && (found.proved.is_some() || found.refuted.is_some()) {
            printer.note("  the certificates were not kept: -o FOLDER writes them");
        }
        let mut text = serde_json::to_string_pretty(bracket).unwrap_or_default();
        text.push('\n');
        printer.result(&text)?;
        Ok(match &bracket.proved {
            Some(_) => 0,
            None if found.refuted_throughout() => 1,
            None => 3,
        })
    }
}
