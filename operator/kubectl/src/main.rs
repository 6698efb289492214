//! The kubectl plugin: one screen of a quorum, and the few things that people do to it.
//!
//! It reads the MonCluster and its pods from the API server, so it works without a quorum. What it changes it asks of
//! the operator: it never talks to a monitor's membership itself.

mod args;
mod change;
mod cluster;
mod doctor;
mod render;
mod screen;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use jiff::Timestamp;

use crate::args::{Arguments, Command, Output};
use crate::cluster::Access;
use crate::screen::Screen;

/// Beside watching, so that ages go on and a lost watch does not stop the screen.
const REDRAW: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let access = Access::new(&arguments).await?;
    match arguments.command {
        Command::Status { watch, output } => status(&access, watch, output).await,
        Command::Members { output } => {
            let screen = access.screen().await?;
            match output {
                Output::Text => print!("{}", render::members(&screen)),
                Output::Json => println!("{}", serde_json::to_string_pretty(&screen.status.members)?),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor => {
            let screen = access.screen().await?;
            let said = access.readiness(&screen).await;
            let findings = doctor::examine(&screen, &said);
            print!("{}", doctor::report(&findings));
            Ok(ExitCode::from(doctor::exit_code(&findings)))
        }
        Command::Replace { member, ask } => change::ask(&access, change::Wish::Replace(member), ask).await,
        Command::StepDown { ask } => change::ask(&access, change::Wish::StepDown, ask).await,
        Command::Pause { dry_run } => change::pause(&access, true, dry_run).await,
        Command::Resume { dry_run } => change::pause(&access, false, dry_run).await,
    }
}

async fn status(access: &Access, watch: bool, output: Output) -> Result<ExitCode> {
    let show = |screen: &Screen| -> Result<String> {
        Ok(match output {
            Output::Text => render::status(screen),
            Output::Json if watch => format!("{}\n", serde_json::to_string(screen)?),
            Output::Json => format!("{}\n", serde_json::to_string_pretty(screen)?),
        })
    };
    if !watch {
        print!("{}", show(&access.screen().await?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut last = String::new();
    loop {
        let text = match access.screen().await {
            Ok(screen) => show(&screen)?,
            // Whoever watches an outage wants the screen to stay.
            Err(error) => format!("{} {error:#}; trying again\n", Timestamp::now().strftime("%H:%M:%S")),
        };
        if text != last {
            let mut out = std::io::stdout().lock();
            if output == Output::Text && out.is_terminal() {
                // Home, text, clear what is below: no flicker.
                write!(out, "\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))?;
            } else {
                // One screen after the other, an empty line between.
                let gap = if output == Output::Text && !last.is_empty() { "\n" } else { "" };
                write!(out, "{gap}{text}")?;
            }
            out.flush()?;
            last = text;
        }
        tokio::time::sleep(REDRAW).await;
    }
}
