//! Services driven by hand: a memory store, and values applied as soon as they are proposed.

mod auth;
mod commands;
mod failover;
mod harness;
mod log_and_health;
mod membership;
mod subscriptions;
mod tell;
