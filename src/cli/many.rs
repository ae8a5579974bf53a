//! Many files on one command line: which they are, where their results go, and one exit code for all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::folder;
use super::output::Printer;
use crate::certificate::summary::Summary;
use crate::diagnostic::Diagnostic;
use crate::error::Error;

/// Name of the file with the summary, beside the certificates.
pub(super) const SUMMARY: &str = "summary.json";

/// The files that paths name: a folder stands for every `*.json` directly in it, sorted by name, but for
/// [`SUMMARY`].
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fail = |source| Error::Io {
            path: path.clone(),
            source,
        };
        let mut inside = Vec::new();
        for entry in path.read_dir().map_err(fail)? {
            let file = entry.map_err(fail)?.path();
            let json = file.extension().is_some_and(|extension| extension == "json");
            if json && !file.is_dir() && file.file_name().is_some_and(|name| name != SUMMARY) {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            let message = format!("{}: no file *.json is in this folder", path.display());
            return Err(Diagnostic::new(message).into());
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

/// The folder of the certificates, and which case has which file.
pub(super) struct Outputs {
    folder: PathBuf,
    taken: HashMap<String, PathBuf>,
    /// where the cases lie, links followed
    cases: Vec<PathBuf>,
}

impl Outputs {
    /// Checks, before a long run, that the folder can be written to, and that no case lies in it.
    pub(super) fn new(path: &Path, cases: &[PathBuf], printer: &Printer) -> Result<Outputs, Error> {
        folder(path)?;
        let real = |path: &Path| path.canonicalize().ok();
        let inside = |case: &&PathBuf| real(case).as_deref().and_then(Path::parent) == real(path).as_deref();
        if let Some(case) = cases.iter().find(inside) {
            let message = format!(
                "--output {}: the case {} lies in this folder, where a certificate could replace it",
                path.display(),
                case.display()
            );
            return Err(Diagnostic::new(message).into());
        }
        let outputs = Outputs {
            folder: path.to_owned(),
            taken: HashMap::new(),
            cases: cases.iter().filter_map(|case| real(case)).collect(),
        };
        printer.writable(&outputs.file(SUMMARY)?)?;
        Ok(outputs)
    }

    /// A file of the folder, unless it is a link to a case.
    fn file(&self, name: &str) -> Result<PathBuf, Error> {
        let file = self.folder.join(name);
        if file.canonicalize().is_ok_and(|real| self.cases.contains(&real)) {
            let message = format!("{} is a link to a case, which would be replaced", file.display());
            return Err(Diagnostic::new(message).into());
        }
        Ok(file)
    }

    /// The file for the certificate of a case, which no other case has.
    pub(super) fn claim(&mut self, name: &str, case: &Path) -> Result<PathBuf, Error> {
        let file = format!("{name}.json");
        let other = match self.taken.get(name) {
            _ if file == SUMMARY => "the summary".to_owned(),
            Some(other) => other.display().to_string(),
            None => {
                self.taken.insert(name.to_owned(), case.to_owned());
                return self.file(&file);
            }
        };
        let message = format!(
            "{}: the name of this case is `{name}`, and {file} is for {other}",
            case.display()
        );
        Err(Diagnostic::new(message).into())
    }
}

/// A line for each case and one for all.
pub(super) fn table(printer: &Printer, summary: &Summary) {
    let header = ["case", "verdict", "method", "bound"];
    let mut widths = header.map(str::len);
    for row in &summary.cases {
        for (width, cell) in widths.iter_mut().zip(row.cells()) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; 4], seconds: &str| {
        let [a, b, c, d] = cells;
        let [wa, wb, wc, wd] = widths;
        printer.note(&format!("{a:wa$}  {b:wb$}  {c:wc$}  {d:wd$}  {seconds:>7}"));
    };
    line(header, "seconds");
    for (row, seconds) in summary.cases.iter().zip(&summary.run.seconds) {
        line(row.cells(), &format!("{seconds:.2}"));
    }
    let counts = &summary.counts;
    let parts = [
        (counts.proved, "proved"),
        (counts.supported, "supported"),
        (counts.undecided, "undecided"),
        (counts.refuted, "refuted"),
        (counts.faulty, "faulty"),
        (counts.failed, "failed"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    printer.note(&format!(
        "{} in {:.1} s: {}",
        match summary.cases.len() {
            1 => "1 case".to_owned(),
            count => format!("{count} cases"),
        },
        summary.run.seconds.iter().sum::<f64>(),
        parts.join(", ")
    ));
}

/// One exit code for many: a failed run before a faulty file, before a refuted claim, before an undecided one.
pub(super) fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    const RANKS: [u8; 5] = [0, 3, 1, 2, 4];
    let rank = codes
        .into_iter()
        .filter_map(|code| RANKS.iter().position(|&rank| rank == code))
        .max();
    rank.map_or(0, |rank| RANKS[rank])
}

#[cfg(test)]
mod tests {
    use super::worst;

    #[test]
    fn a_failed_run_hides_a_faulty_file_and_that_a_refuted_claim() {
        let order = [0, 3, 1, 2, 4];
        for (i, &worse) in order.iter().enumerate() {
            for &code in &order[..=i] {
                assert_eq!((worst([code, worse]), worst([worse, code])), (worse, worse));
            }
        }
        assert_eq!(worst([]), 0);
    }
}
