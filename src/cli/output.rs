//! The one printer: results to standard output, words and progress to standard error, files written
//! to a temporary name and renamed.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tempfile::NamedTempFile;

use crate::diagnostic::escape;
use crate::engine::{Progress, Verdict};
use crate::error::Error;

/// Prints.
pub struct Printer {
    quiet: bool,
    color: bool,
}

impl Printer {
    /// `quiet` leaves only results and errors. Colours only on a terminal, and not where `NO_COLOR` is
    /// set and not empty (<https://no-color.org>).
    pub fn new(quiet: bool) -> Printer {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Printer {
            quiet,
            color: io::stderr().is_terminal() && !no_color,
        }
    }

    /// An error, to standard error.
    pub fn error(&self, error: &Error) {
        let _ = writeln!(io::stderr(), "{}", error.render(self.color));
    }

    /// Why a certificate is refused, to standard error, however quiet.
    pub fn refusal(&self, reason: &str) {
        let _ = writeln!(io::stderr(), "refused: {}", escape(reason));
    }

    /// A line for people, to standard error. It may quote the case: control characters are escaped,
    /// and an endless line is cut.
    pub fn note(&self, line: &str) {
        self.line(&escape(line));
    }

    fn line(&self, line: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// A verdict with its reason, to standard error.
    pub fn verdict(&self, verdict: Verdict, reason: &str) {
        let code = match verdict {
            Verdict::Refuted => "31",
            Verdict::Proved => "32",
            Verdict::Supported => "36",
            Verdict::Undecided => "33",
        };
        let word = verdict.word();
        let reason = escape(reason);
        if self.color {
            self.line(&format!("\u{1b}[1;{code}m{word}\u{1b}[0m: {reason}"));
        } else {
            self.line(&format!("{word}: {reason}"));
        }
    }

    /// The result, to standard output.
    pub fn result(&self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // a reader that has seen enough, such as `head`, is no failure
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(source) => Err(Error::Io {
                path: "standard output".into(),
                source,
            }),
            Ok(()) => Ok(()),
        }
    }

    /// A file, whole or not at all. A device or a pipe is written to, not replaced, and a link goes
    /// on pointing where it points.
    pub fn file(&self, path: &Path, text: &str) -> Result<(), Error> {
        let fail = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let Some(mut file) = Self::temporary(path)? else {
            let file = fs::OpenOptions::new().write(true).open(path);
            return file
                .and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(fail);
        };
        file.write_all(text.as_bytes())
            .and_then(|()| file.as_file().sync_all())
            .map_err(fail)?;
        // temporary files are private; a certificate is as readable as any other new file
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(0o644))
                .map_err(fail)?;
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        file.persist(target).map_err(|error| fail(error.error))?;
        Ok(())
    }

    /// Whether [`Printer::file`] can be expected to work, asked before a long run.
    pub fn writable(&self, path: &Path) -> Result<(), Error> {
        Self::temporary(path).map(drop)
    }

    /// A file beside the one that it will replace; none where a device or a pipe stands.
    fn temporary(path: &Path) -> Result<Option<NamedTempFile>, Error> {
        // the kind alone: the text would name the temporary file
        let fail = |source: io::Error| Error::Io {
            path: path.to_owned(),
            source: source.kind().into(),
        };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(fail(io::ErrorKind::IsADirectory.into())),
            Ok(metadata) if !metadata.is_file() => return Ok(None),
            Ok(_) | Err(_) => {}
        }
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        file.map(Some).map_err(fail)
    }

    /// A progress bar on standard error, shown only once the run has taken a second.
    pub fn progress(&self) -> Bar {
        Bar(self.bar())
    }

    /// The same for so many cases, one after the other.
    pub fn cases(&self, count: usize) -> CasesBar {
        let bar = self.bar();
        bar.set_length(count as u64);
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {msg} {elapsed}") {
            bar.set_style(style);
        }
        CasesBar {
            bar,
            case: String::new(),
        }
    }

    fn bar(&self) -> ProgressBar {
        let target = if self.quiet || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let shown = bar.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            if !shown.is_finished() {
                shown.set_draw_target(target);
            }
        });
        bar
    }
}

/// Progress of the engines as a bar.
pub struct Bar(ProgressBar);

impl Progress for Bar {
    fn stage(&self, name: &str, points: Option<u64>) {
        let template = match points {
            Some(count) => {
                self.0.set_length(count);
                "{msg:16} [{bar:30}] {human_pos}/{human_len} {eta}"
            }
            None => "{msg:16} {spinner} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_position(0);
        self.0.set_message(name.to_owned());
    }

    fn advance(&self, points: u64) {
        self.0.inc(points);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Progress over many cases as a bar: how many are done, and the stage of the one that runs.
pub struct CasesBar {
    bar: ProgressBar,
    case: String,
}

impl CasesBar {
    /// The case of this file begins.
    pub fn case(&mut self, file: &Path) {
        let name = file.file_stem().unwrap_or(file.as_os_str());
        self.case = escape(&name.to_string_lossy());
        self.bar.set_message(self.case.clone());
    }

    /// The case is done.
    pub fn next(&self) {
        self.bar.inc(1);
    }

    /// Prints something else on standard error, out of the bar's way.
    pub fn aside(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

impl Progress for CasesBar {
    fn stage(&self, name: &str, _: Option<u64>) {
        self.bar.set_message(format!("{}: {name}", self.case));
    }

    fn advance(&self, _: u64) {
        self.bar.tick();
    }
}

impl Drop for CasesBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
