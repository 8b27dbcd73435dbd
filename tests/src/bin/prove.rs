//! The gate. `prove --help` says what it does.

use std::process::ExitCode;

use tests::prove::{Options, USAGE, run};

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => {
            // What panics is a finding, told with its reproduction by whoever ran it.
            std::panic::set_hook(Box::new(|_| {}));
            if run(&options) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Ok(None) => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("prove: {why}");
            ExitCode::from(2)
        }
    }
}
