//! The monitor as a pure state machine: events in, effects out.

pub mod command;
pub mod config;
pub mod consensus;
pub mod cx;
pub mod effect;
mod election;
pub mod event;
pub mod gate;
pub mod identity;
mod members;
pub mod mkfs;
pub mod now;
mod paxos;
mod peer_liveness;
mod probe;
pub mod quorum;
pub mod status;
mod sync;
pub mod timecheck;
