//! The command line: one file per subcommand, one printer, few exit codes.
//!
//! Exit codes: 0 the claim holds at the level asked for (or the command did what it should), 1 refuted
//! or a certificate refused, 2 the command line or a file is at fault, 3 undecided, 4 the run failed.

mod certify;
mod explain;
mod many;
mod new;
mod output;
mod report;
mod schema;
mod tighten;
mod trace;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::case::Case;
use crate::claim::Claim;
use crate::diagnostic::{Diagnostic, nearest};
use crate::engine::Failure;
use crate::error::Error;
use crate::expr::Scope;
use crate::guarantee::complete;
use output::Printer;

/// Checks inequalities about a loss, its gradient and proxies of it, by machine.
#[derive(Parser)]
#[command(name = "proxycert", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// Options of every command.
#[derive(clap::Args, Clone, Copy)]
struct Global {
    /// Print nothing but the result and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Subcommand)]
enum Command {
    /// Check the claim of a case and write a certificate
    Certify(certify::Certify),
    /// Run gradient descent and hold the claim and its guarantee against every iterate
    Trace(trace::Trace),
    /// Find the best value of a constant: the edge between proved and refuted
    Tighten(tighten::Tighten),
    /// Check a certificate against the case it speaks of
    Verify(verify::Verify),
    /// Show certificates, brackets and traces as a page for people
    Report(report::Report),
    /// Show what a case claims, and what each engine would do
    Explain(explain::Explain),
    /// Print the JSON schema of a file format
    Schema(schema::Schema),
    /// Write a commented case to start from
    New(new::New),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// The case file and how it may be read.
#[derive(clap::Args)]
struct CaseFile {
    /// The case, a JSON file
    case: PathBuf,
    #[command(flatten)]
    access: Access,
}

/// What a case may read, and what is read in place of its own text.
#[derive(clap::Args)]
struct Access {
    /// Let the case read data files outside its folder
    #[arg(long)]
    allow_outside: bool,
    /// Give a constant of the case this value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// Reads `mu=1/32`: a name, and a number or an expression of numbers.
fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected NAME=VALUE, such as mu=1/32")?;
    let (name, value) = (name.trim(), value.trim());
    // the value must make sense without the names of the case
    Scope::new()
        .add_constant("value", value)
        .map_err(|error| format!("{value:?} is not a number: {}", error.message))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Checks, before a long run, that a file can be written, and is not the case.
fn replaceable(path: &Path, case: &Path, printer: &Printer) -> Result<(), Error> {
    if let (Ok(output), Ok(input)) = (path.canonicalize(), case.canonicalize())
        && output == input
    {
        let message = format!("--output {} is the case itself", path.display());
        return Err(Diagnostic::new(message).into());
    }
    printer.writable(path)
}

/// A folder for output, which need not exist yet.
fn folder(path: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })
}

/// Loads a case, with the constants of the command line and those that its theorem needs and it leaves out.
fn load_case(path: &Path, access: &Access) -> Result<Case, Error> {
    let mut case = Case::load(path, access.allow_outside)?;
    for (name, value) in &access.set {
        if !case.set_constant(name, value) {
            let fault = Diagnostic::new(format!("--set {name}: the case has no such constant"));
            let help = nearest(name, case.constants.keys().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?"));
            return Err(Diagnostic { help, ..fault }.into());
        }
    }
    Ok(complete(&case)?.unwrap_or(case))
}

/// Loads a case and builds its claim.
fn load(path: &Path, access: &Access) -> Result<(Case, Claim), Error> {
    let case = load_case(path, access)?;
    let claim = Claim::new(&case)?;
    Ok((case, claim))
}

/// An engine's failure as an error that points into the case.
fn engine_error(case: &Case, failure: Failure) -> Error {
    match failure {
        Failure::Run(message) => Error::Run(message),
        Failure::Device(message) => Diagnostic::new(message).into(),
        Failure::NotAverage(message) => case
            .fault(&case.claim.at, message)
            .expected("an inequality between means over the examples")
            .help(
                "norms and squares of a gradient, or of a mean, are no expectations, and what a sample gives for them is \
                 biased; state such a claim for a sample, without `population`",
            )
            .into(),
        Failure::Hopeless => {
            let place = case
                .region
                .constraints
                .iter()
                .chain(&case.region.v_constraints)
                .next()
                .map_or(&case.region.at, |text| &text.at);
            let message = format!(
                "none of {} draws in a row from the region's box or ball met the inequalities under `where`: \
                 the region is empty, or too small a part to be sampled by rejection",
                crate::engine::points::MAX_DRAWS
            );
            case.fault(place, message).into()
        }
    }
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        // help and version go to standard output with code 0, faults to standard error with code 2
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let printer = Printer::new(arguments.global.quiet);
    if let Some(threads) = arguments.global.threads
        && let Err(error) = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
    {
        printer.error(&Error::Run(error.to_string()));
        return ExitCode::from(4);
    }
    let result = match arguments.command {
        Command::Certify(command) => command.run(&printer),
        Command::Trace(command) => command.run(&printer),
        Command::Tighten(command) => command.run(&printer),
        Command::Verify(command) => command.run(&printer),
        Command::Report(command) => command.run(&printer),
        Command::Explain(command) => command.run(&printer),
        Command::Schema(command) => command.run(&printer),
        Command::New(command) => command.run(&printer),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "proxycert", &mut script);
            printer.result(&String::from_utf8_lossy(&script)).map(|()| 0)
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
