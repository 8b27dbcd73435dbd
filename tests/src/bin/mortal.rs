//! A program that dies of one message, for the test that starts it again and again: a thousand dialogs on one node, one of
//! which says something that aborts the process, or panics, each time it is handled.
//!
//! `mortal <directory> abort|panic`: prints a line of what became of everything, unless it dies before.

use std::{env, path::Path, process::ExitCode};

use actor_core::prelude::*;

const DIALOGS: u32 = 1000;
const MESSAGES: u32 = 3;
/// In the middle, so that it has neighbours on every side.
const POISON: u32 = 500;

/// One row for each message that was handled, counted where it happens.
const HANDLED: Table<u128, (u32, u32)> = Table::new("handled");

#[derive(Default, Serialize, Deserialize)]
struct Mortal {
    handled: u32,
}

#[dialog(timeout = "2 days", tables(HANDLED))]
impl Mortal {
    #[handler]
    fn work(&mut self, cx: &mut Cx<'_, Self>, of: u32, how: Option<String>) -> u32 {
        match how.as_deref() {
            Some("abort") => std::process::abort(),
            Some(_) => panic!("as it was told"),
            None => {}
        }
        self.handled += 1;
        let row = cx.id();
        cx.table(HANDLED).insert(&row, &(of, self.handled));
        self.handled
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    let [_, directory, how] = &args[..] else {
        eprintln!("usage: mortal <directory> abort|panic");
        return ExitCode::FAILURE;
    };
    match run(Path::new(directory), how).await {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(directory: &Path, how: &str) -> Result<String, String> {
    let node = Node::builder(directory)
        .shards(2)
        .serve::<Mortal>()
        .start()
        .map_err(|cause| cause.to_string())?;
    let (mut good, mut poisoned, mut other) = (0, 0, 0);
    for message in 0..MESSAGES {
        let mut waiting = Vec::new();
        for of in 0..DIALOGS {
            let poison = of == POISON && message == 1;
            let mortal = node.open_as::<Mortal>(of.to_string());
            let said = mortal.work(of, poison.then(|| how.to_owned()));
            waiting.push((of, tokio::spawn(said.once(message.to_string()))));
        }
        for (of, answer) in waiting {
            match answer.await.map_err(|cause| cause.to_string())? {
                Ok(number) if number == message + 1 => good += 1,
                Err(CallError::Abandoned {
                    why: Abandoned::PartnerPoisoned(_),
                    ..
                }) if of == POISON => poisoned += 1,
                _ => other += 1,
            }
        }
    }
    let rows = node
        .read()
        .await
        .and_then(|view| view.range(HANDLED, ..))
        .map_err(|cause| cause.to_string())?;
    let letters = node.dead_letters().map_err(|cause| cause.to_string())?;
    let attempts = letters.first().map_or(0, |letter| letter.attempts);
    let line = format!(
        "good {good} poisoned {poisoned} other {other} rows {} letters {} attempts {attempts}",
        rows.len(),
        letters.len()
    );
    node.shutdown().await.map_err(|cause| cause.to_string())?;
    Ok(line)
}
