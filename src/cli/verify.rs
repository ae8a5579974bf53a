//! `verify`: check a certificate against a case, or many against many.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::output::Printer;
use super::{Access, engine_error, load, load_case, many};
use crate::case::{decode, digest, read_limited};
use crate::certificate::Certificate;
use crate::certificate::verify::{Refusal, read, verify};
use crate::error::Error;

/// Largest certificate that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Check a certificate against the case it speaks of
#[derive(clap::Args)]
pub struct Verify {
    /// The certificate; or several, or folders of them
    #[arg(required = true, value_name = "CERTIFICATE")]
    certificates: Vec<PathBuf>,
    /// The case that you hold; may be repeated, and may be a folder of cases. Of several, each certificate is checked
    /// against the one whose digest it names
    #[arg(long, required = true, value_name = "CASE")]
    case: Vec<PathBuf>,
    #[command(flatten)]
    access: Access,
}

impl Verify {
    /// Runs it; exit code 0 when every certificate holds, 1 when one is refused.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        match (self.certificates.as_slice(), self.case.as_slice()) {
            ([certificate], [case]) if !certificate.is_dir() && !case.is_dir() => {
                let certificate = certificate_at(certificate)?;
                self.check(&certificate, case, "", printer)
            }
            (certificates, cases) => self.many(certificates, cases, printer),
        }
    }

    /// A faulty file does not stop the others: its message is printed at once, and it counts for the exit code.
    fn many(&self, certificates: &[PathBuf], cases: &[PathBuf], printer: &Printer) -> Result<u8, Error> {
        let mut codes = Vec::new();
        let mut failed = |error: Error| {
            printer.error(&error);
            error.exit_code()
        };
        let mut held = HashMap::new();
        for file in many::files(cases)? {
            match load_case(&file, &self.access) {
                Ok(case) => drop(held.entry(digest::case(&case)).or_insert(file)),
                Err(error) => codes.push(failed(error)),
            }
        }
        let mut accepted = 0;
        let certificates = many::files(certificates)?;
        for file in &certificates {
            let place = format!("{}: ", file.display());
            let outcome =
                certificate_at(file).and_then(|certificate| match held.get(&certificate.case.digest) {
                    Some(case) => self.check(&certificate, case, &place, printer),
                    None => {
                        let name = &certificate.case.name;
                        printer.refusal(&format!(
                            "{place}it speaks of a case {name} of another digest than those given"
                        ));
                        Ok(1)
                    }
                });
            let code = outcome.unwrap_or_else(&mut failed);
            accepted += usize::from(code == 0);
            codes.push(code);
        }
        printer.note(&format!("accepted: {accepted} of {}", certificates.len()));
        Ok(many::worst(codes))
    }

    /// Checks a certificate against the case in a file; `place` stands before the reason of a refusal.
    fn check(
        &self,
        certificate: &Certificate,
        file: &Path,
        place: &str,
        printer: &Printer,
    ) -> Result<u8, Error> {
        let (case, claim) = load(file, &self.access)?;
        let outcome = verify(certificate, &case, &claim, &printer.progress());
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
                printer.refusal(&format!("{place}{reason}"));
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

/// Reads a certificate.
fn certificate_at(path: &Path) -> Result<Certificate, Error> {
    let input = |message: String| {
        let message = format!("{}: {message}", path.display());
        Error::from(crate::diagnostic::Diagnostic::new(message))
    };
    let bytes = read_limited(path, MAX_BYTES).map_err(input)?;
    let text = decode(bytes, &path.display().to_string())?;
    read(&text).map_err(|message| input(format!("not a certificate: {message}")))
}
