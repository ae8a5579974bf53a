//! The command line: parses, runs a subcommand, prints the error, returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    proxycert::cli::main()
}
