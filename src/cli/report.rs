//! `report`: certificates, brackets and traces as a page.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::output::Printer;
use super::{Access, load_case};
use crate::case::{decode, digest, read_limited};
use crate::certificate::case_record;
use crate::claim::Claim;
use crate::claim::statement::statement;
use crate::diagnostic::Diagnostic;
use crate::error::Error;
use crate::report::{self, Document, Entry, Fault, Source};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Show certificates, brackets and traces as a page for people
#[derive(clap::Args)]
pub struct Report {
    /// What `certify`, `tighten` or `trace` wrote
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A case that the files speak of, for pictures of the slack; may be repeated
    #[arg(long = "case", value_name = "CASE")]
    cases: Vec<PathBuf>,
    #[command(flatten)]
    access: Access,
    /// Where the report goes [default: standard output]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// What it is written in
    #[arg(long, value_enum, default_value = "html")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// one file with pictures, for a browser
    Html,
    /// GitHub markdown, without pictures
    Markdown,
    /// a table row and a paragraph for a review
    Latex,
}

impl Report {
    /// Runs it; exit code 1 when a file is refused.
    pub fn run(self, printer: &Printer) -> Result<u8, Error> {
        if let Some(path) = &self.output {
            self.replaceable(path, printer)?;
        }
        let mut documents = Vec::new();
        for path in &self.files {
            match read(path)? {
                Ok(document) => documents.push((path.display().to_string(), document)),
                Err(reason) => {
                    printer.refusal(&format!("{}: {reason}", path.display()));
                    return Ok(1);
                }
            }
        }
        let sources = self.sources(&documents)?;
        let mut entries = Vec::new();
        for (file, document) in documents {
            let source = sources
                .iter()
                .find(|source| document.case_digest() == Some(&source.digest));
            if let Some(reason) = source.and_then(|source| contradiction(&document, source)) {
                printer.refusal(&format!("{file}: {reason}"));
                return Ok(1);
            }
            entries.push(Entry {
                file,
                document,
                source,
            });
        }
        let text = match self.format {
            Format::Html => report::html(&entries),
            Format::Markdown => report::markdown(&entries),
            Format::Latex => report::latex(&entries),
        };
        match &self.output {
            Some(path) => printer.file(path, &text)?,
            None => printer.result(&text)?,
        }
        Ok(0)
    }

    /// Checks that the report can be written, and is none of the files that it is made from.
    fn replaceable(&self, path: &Path, printer: &Printer) -> Result<(), Error> {
        for input in self.files.iter().chain(&self.cases) {
            if let (Ok(output), Ok(input)) = (path.canonicalize(), input.canonicalize())
                && output == input
            {
                let message = format!("--output {} is one of the files to report on", path.display());
                return Err(Diagnostic::new(message).into());
            }
        }
        printer.writable(path)
    }

    /// The cases that some file speaks of. An unknown constant takes the values of `--set`, of the paper, and of
    /// the brackets among the files, whichever the files' digests ask for.
    fn sources(&self, documents: &[(String, Document)]) -> Result<Vec<Source>, Error> {
        let wanted = |digest: &str| {
            documents
                .iter()
                .any(|(_, document)| document.case_digest() == Some(digest))
        };
        let mut sources = Vec::new();
        for path in &self.cases {
            let case = load_case(path, &self.access)?;
            let mut tried = vec![(self.access.set.clone(), case.clone())];
            if let Some(unknown) = &case.unknown {
                for (_, document) in documents {
                    let Document::Bracket(bracket) = document else {
                        continue;
                    };
                    if bracket.case != case.name || bracket.constant != unknown.name {
                        continue;
                    }
                    for end in [&bracket.proved, &bracket.refuted].into_iter().flatten() {
                        let mut concrete = case.clone();
                        concrete.set_constant(&unknown.name, &end.value);
                        let mut set = self.access.set.clone();
                        set.retain(|(name, _)| *name != unknown.name);
                        set.push((unknown.name.clone(), end.value.clone()));
                        tried.push((set, concrete));
                    }
                }
            }
            let before = sources.len();
            for (settings, case) in tried {
                let digest = digest::case(&case);
                if !wanted(&digest) {
                    continue;
                }
                let claim = Claim::new(&case)?;
                sources.push(Source {
                    file: path.display().to_string(),
                    settings,
                    case,
                    claim,
                    digest,
                });
            }
            if sources.len() == before {
                let digest = digest::case(&case);
                let message = format!(
                    "--case {}: no file of the report speaks of this case, whose digest is {digest}",
                    path.display()
                );
                let mut fault = Diagnostic::new(message);
                if let Some(unknown) = &case.unknown {
                    fault = fault.help(format!(
                        "`--set {}=VALUE` reads it with the value that a certificate was made for",
                        unknown.name
                    ));
                }
                return Err(fault.into());
            }
        }
        Ok(sources)
    }
}

/// Reads a file; inside, why it is refused.
fn read(path: &Path) -> Result<Result<Document, String>, Error> {
    let input = |message: String| {
        let message = format!("{}: {message}", path.display());
        Error::from(Diagnostic::new(message))
    };
    let bytes = read_limited(path, MAX_BYTES).map_err(input)?;
    let text = decode(bytes, &path.display().to_string())?;
    match Document::read(&text) {
        Ok(document) => Ok(Ok(document)),
        Err(Fault::Refused(reason)) => Ok(Err(reason)),
        Err(Fault::Unknown(message)) => Err(input(format!(
            "neither a certificate nor a bracket nor a trace: {message}"
        ))),
    }
}

/// What a file says of its case that the case does not.
fn contradiction(document: &Document, source: &Source) -> Option<String> {
    let (case, said) = match document {
        Document::Certificate(certificate) => (&certificate.case, &certificate.statement),
        Document::Trace(trace) => (&trace.case, &trace.statement),
        Document::Bracket(_) => return None,
    };
    if *case != case_record(&source.case) {
        Some("its `case` block is not that of the case".to_owned())
    } else if *said != statement(&source.case, &source.claim) {
        Some("its `statement` is not what the case claims".to_owned())
    } else {
        None
    }
}
