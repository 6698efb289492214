//! The monitor as a pure state machine: events in, effects out.

pub mod now;
pub mod event;
pub mod effect;
pub mod gate;
pub mod cx;
pub mod identity;
pub mod config;
pub mod quorum;
pub mod status;
pub mod mkfs;
pub mod command;
