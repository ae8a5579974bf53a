//! How a run can fail, and the exit code of each failure. Verdicts are not errors.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::diagnostic::Diagnostic;

/// A failure of the whole run.
#[derive(Debug)]
pub enum Error {
    /// a file that the user gave is at fault
    Input(Box<Diagnostic>),
    /// reading or writing failed for a reason that lies outside the files' content
    Io {
        /// the file
        path: PathBuf,
        /// what the operating system said
        source: io::Error,
    },
    /// the run could not be finished
    Run(String),
}

/// The outcome of a step that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Exit code of the process: 2 when the input is at fault, 4 when the run failed.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Error::Input(_) => 2,
            Error::Io { .. } | Error::Run(_) => 4,
        }
    }

    /// The message for people, with colours or without.
    pub fn render(&self, color: bool) -> String {
        match self {
            Error::Input(diagnostic) => diagnostic.render(color),
            Error::Io { path, source } => format!("error: {}: {source}", path.display()),
            Error::Run(message) => format!("error: {message}"),
        }
    }
}

impl From<Diagnostic> for Error {
    fn from(diagnostic: Diagnostic) -> Self {
        Error::Input(Box::new(diagnostic))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            Error::Input(_) | Error::Run(_) => None,
        }
    }
}
