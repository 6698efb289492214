//! The monitor daemon and its command line.
//!
//! [`args`] says what is asked, [`config`] how it is to be done. [`run`] puts a running monitor together around
//! [`engine`], the owner of the core; [`mkfs`] and [`monmap_store`] work on a stopped monitor's data directory.

mod args;
mod config;

mod clock;
mod net;
mod queue;
mod requests;

mod asok;
mod bench;
mod ctl;
mod feed;
mod handle;
mod http;
mod latency;
#[cfg(test)]
mod testing;

mod check;
mod exit;
mod host;
mod keyring_file;
mod logging;
mod mkfs;
mod monmap_store;
mod start;
mod user;

mod detach;
mod endpoints;
mod engine;
mod process;
mod run;

mod command;
mod dev;
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
