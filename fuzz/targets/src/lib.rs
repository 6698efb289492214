//! What is fuzzed: bytes of a peer, a client, a file or a person, each as a function that must not panic whatever it is
//! given. `fuzz/fuzz_targets` hands them what libFuzzer thinks of, `tests/corpus.rs` the corpus and what it makes of it.
//!
//! Decoders have to give a value or an error, and a value must survive being encoded and decoded again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a target fails by panicking")]

// Files of the daemon, without its tests: those run there.
#[cfg(not(test))]
mod args;
mod cephx;
mod command;
#[cfg(not(test))]
mod conf;
#[cfg(not(test))]
mod config;
#[cfg(not(test))]
mod exit;
mod message;
mod session;
mod text;
mod value;
mod wire;

/// Something that takes any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// What an input goes through.
    pub run: fn(&[u8]),
    /// How much longer than others an input takes: how many fewer are tried.
    pub cost: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "message", run: message::message, cost: 1 },
    Target { name: "monmap", run: value::monmap, cost: 1 },
    Target { name: "transaction", run: value::transaction, cost: 1 },
    Target { name: "store_value", run: value::store_value, cost: 1 },
    Target { name: "auth_value", run: value::auth_value, cost: 1 },
    Target { name: "keyring", run: text::keyring, cost: 1 },
    Target { name: "caps", run: text::caps, cost: 1 },
    Target { name: "name", run: text::name, cost: 1 },
    #[cfg(not(test))]
    Target { name: "ceph_conf", run: conf::ceph_conf, cost: 4 },
    #[cfg(not(test))]
    Target { name: "yaml", run: conf::yaml, cost: 8 },
    #[cfg(not(test))]
    Target { name: "command_line", run: conf::command_line, cost: 8 },
    Target { name: "command", run: command::command, cost: 4 },
    Target { name: "signature", run: command::signature, cost: 1 },
    Target { name: "cephx", run: cephx::cephx, cost: 4 },
    Target { name: "handshake", run: wire::handshake, cost: 1 },
    Target { name: "session", run: session::session, cost: 20 },
];

/// Runs one target by its name.
///
/// # Panics
/// When it finds something, or there is no such target.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("no such target").run)(input);
}
