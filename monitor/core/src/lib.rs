//! The monitor as a pure state machine: events in, effects out.

pub mod command;
pub mod config;
pub mod identity;
pub mod mkfs;
pub mod quorum;
