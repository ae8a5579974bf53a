//! `new`: a commented case to start from.

use std::path::PathBuf;

use super::output::Printer;
use crate::error::Error;

/// What `new` writes; a test certifies it.
pub const TEMPLATE: &str = include_str!("template.json");

/// Write a commented case to start from
#[derive(clap::Args)]
pub struct New {
    /// The file to write; it must not exist
    path: PathBuf,
}

impl New {
    /// Runs it.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        if self.path.symlink_metadata().is_ok() {
            let message = format!("{} exists already", self.path.display());
            return Err(crate::diagnostic::Diagnostic::new(message).into());
        }
        printer.file(&self.path, TEMPLATE)?;
        printer.note(&format!(
            "wrote {0}; try: proxycert explain {0}",
            self.path.display()
        ));
        Ok(0)
    }
}
