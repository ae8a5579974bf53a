//! `trace`: descend, and hold claim and guarantee against every iterate.

use std::path::PathBuf;

use super::output::Printer;
use super::{CaseFile, engine_error, load};
use crate::error::Error;
use crate::trace::record::Trace as Record;
use crate::trace::{Refusal, trace};

/// Run gradient descent and hold the claim and its guarantee against every iterate
#[derive(clap::Args)]
pub struct Trace {
    #[command(flatten)]
    file: CaseFile,
    /// Where the record goes [default: standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
}

impl Trace {
    /// Runs it; exit code 0 when all held, 1 when something failed, 3 when the run says nothing.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        let (case, claim) = load(&self.file.case, &self.file.access)?;
        if let Some(path) = &self.output {
            self.file.replaceable(path, printer)?;
        }
        let progress = printer.progress();
        let record = trace(&case, &claim, &progress).map_err(|refusal| match refusal {
            Refusal::Input(fault) => fault.into(),
            Refusal::Failed(failure) => engine_error(&case, failure),
        })?;
        drop(progress);
        summarize(printer, &record);
        let text = record.to_json();
        match &self.output {
            Some(path) => printer.file(path, &text)?,
            None => printer.result(&text)?,
        }
        Ok(record.answers.exit_code())
    }
}

/// The answers in a few lines.
fn summarize(printer: &Printer, record: &Record) {
    printer.note(&format!("{}: {}", record.case.name, record.case.title));
    printer.note(&record.statement.words);
    if let Some(guarantee) = &record.guarantee {
        printer.note(&format!("{}: {}", guarantee.theorem, guarantee.words));
    }
    for sentence in record.reason.split("; ") {
        printer.note(&format!("  {sentence}"));
    }
    printer.note(&format!(
        "  took      {:.2} s for {} starts of {} steps",
        record.run.seconds, record.options.starts, record.options.steps
    ));
}
