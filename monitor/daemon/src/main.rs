//! The monitor daemon and its command line.
//!
//! [`args`] says what is asked, [`config`] how it is to be done; [`mkfs`] and [`monmap_store`] work on a
//! stopped monitor's data directory.

mod args;
#[allow(dead_code, reason = "its other reader, the run loop, lands next")]
mod config;

#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod clock;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod net;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod queue;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod requests;

mod bench;
#[allow(dead_code, reason = "its user, the run loop, lands next")]
mod asok;
#[allow(dead_code, reason = "its user, the run loop, lands next")]
mod feed;
#[allow(dead_code, reason = "its user, the run loop, lands next")]
mod handle;
#[allow(dead_code, reason = "its user, the run loop, lands next")]
mod http;
#[allow(dead_code, reason = "its user, the command line, lands next")]
mod ctl;
#[cfg(test)]
mod testing;

mod check;
mod exit;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod host;
mod keyring_file;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod logging;
mod mkfs;
mod monmap_store;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod start;
#[allow(dead_code, reason = "its caller, the run loop, lands next")]
mod user;

mod command;
#[cfg(test)]
mod docs;

use std::process::ExitCode;

fn main() -> ExitCode {
    match command::main() {
        Ok(exit) => exit.into(),
        Err(failed) => {
            eprintln!("mon: {failed}");
            failed.exit.into()
        }
    }
}
