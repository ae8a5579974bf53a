//! `schema`: the JSON schema of a file format.

use clap::ValueEnum;

use super::output::Printer;
use crate::error::Error;

/// Print the JSON schema of a file format
#[derive(clap::Args)]
pub struct Schema {
    /// Which format
    #[arg(value_enum)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// `case.json`
    Case,
}

impl Schema {
    /// Runs it.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        let text = match self.format {
            Format::Case => crate::case::schema::case().as_value().to_string(),
        };
        printer.result(&text).map(|()| 0)
    }
}
