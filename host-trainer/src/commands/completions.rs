//! `completions`: what a shell completes.

use crate::files::error::Result;
use clap_complete::{Shell, generate};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// None.
pub fn run(args: &Args, program: &mut clap::Command) -> Result<()> {
    let name = program.get_name().to_owned();
    generate(args.shell, program, name, &mut std::io::stdout());
    Ok(())
}
