//! The one printer: results to standard output, words and progress to standard error, files written
//! to a temporary name and renamed.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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

    /// A line for people, to standard error.
    pub fn note(&self, line: &str) {
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
        if self.color {
            self.note(&format!("\u{1b}[1;{code}m{word}\u{1b}[0m: {reason}"));
        } else {
            self.note(&format!("{word}: {reason}"));
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

    /// A file, whole or not at all.
    pub fn file(&self, path: &Path, text: &str) -> Result<(), Error> {
        let fail = |source| Error::Io {
            path: path.to_owned(),
            source,
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(fail)?;
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
        file.persist(path).map_err(|error| fail(error.error))?;
        Ok(())
    }

    /// A progress bar on standard error, shown only once the run has taken a second.
    pub fn progress(&self) -> Bar {
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
        Bar(bar)
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
