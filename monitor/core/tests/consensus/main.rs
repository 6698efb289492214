//! Clusters of `Consensus` on a simulated network and disk, stepped in virtual time from a seed.
#![allow(clippy::unwrap_used, reason = "what cannot fail in the simulation fails the test")]

mod cluster;
mod durability;
mod failover;
mod membership;
mod node;
mod oracle;
mod random;
mod regressions;
mod stock_rule;
mod sync;
