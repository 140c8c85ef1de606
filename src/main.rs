//! The `layerpress` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    layerpress::cli::run()
}
