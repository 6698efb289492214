//! The daemon.

#[allow(dead_code, reason = "its reader, the run loop, lands next")]
mod config;

fn main() {}
