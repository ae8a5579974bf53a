//! `verify`: check a certificate against a case.

use std::path::PathBuf;

use super::output::Printer;
use super::{Access, engine_error, load};
use crate::case::{decode, read_limited};
use crate::certificate::verify::{Refusal, read, verify};
use crate::error::Error;

/// Largest certificate that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Check a certificate against the case it speaks of
#[derive(clap::Args)]
pub struct Verify {
    /// The certificate
    certificate: PathBuf,
    /// The case that you hold
    #[arg(long)]
    case: PathBuf,
    #[command(flatten)]
    access: Access,
}

impl Verify {
    /// Runs it; exit code 0 when the certificate holds, 1 when it is refused.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        let input = |message: String| {
            let message = format!("{}: {message}", self.certificate.display());
            Error::from(crate::diagnostic::Diagnostic::new(message))
        };
        let bytes = read_limited(&self.certificate, MAX_BYTES).map_err(input)?;
        let text = decode(bytes, &self.certificate.display().to_string())?;
        let certificate = read(&text).map_err(|message| input(format!("not a certificate: {message}")))?;
        let (case, claim) = load(&self.case, &self.access)?;
        let progress = printer.progress();
        let outcome = verify(&certificate, &case, &claim, &progress);
        drop(progress);
        match outcome {
            Ok(what) => {
                printer.note(&format!(
                    "accepted: `{}` for {}: {what}",
                    certificate.verdict.word(),
                    case.name
                ));
                Ok(0)
            }
            Err(Refusal::Refused(reason)) => {
                printer.refusal(&reason);
                if let Some(unknown) = &case.unknown {
                    let name = &unknown.name;
                    printer.note(&format!(
                        "the case was read with the paper's {name}; `--set {name}=VALUE` reads it with another value"
                    ));
                }
                Ok(1)
            }
            Err(Refusal::Failed(failure)) => Err(engine_error(&case, failure)),
        }
    }
}
