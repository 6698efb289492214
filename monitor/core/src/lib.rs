//! The monitor as a pure state machine: events in, effects out.

pub mod bug;
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
pub mod monitor;
pub mod now;
mod operation;
mod paxos;
mod peer_liveness;
mod probe;
pub mod quorum;
mod service;
pub mod services;
mod session;
pub mod settings;
mod stamp;
pub mod status;
mod sync;
pub mod timecheck;
