//! A Kubernetes cluster in memory, for tests of the operator.
//!
//! ```text
//!  kube::Client --> [Service] --> Faults --> server::answer --> Store (objects, history, field owners)
//!  operator's probes ----------> Faults --> monitor::answer --> Quorum (a model of the monitors)
//!                     every simulated second: step() = StatefulSets, scheduler, kubelets, PVs, GC, monitors
//! ```
//!
//! The API server keeps JSON, whatever its kind; the controllers beside it do as much as a monitor cluster needs.
//! Everything happens in one thread under tokio's paused clock and comes from one seed, so a run can be repeated.
//! [`World::violations`] tells which promises were broken on the way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's world: a broken assumption is a failed test"
)]

mod apply;
mod controllers;
mod faults;
mod kind;
mod monitor;
mod object;
mod quorum;
mod random;
mod request;
mod rules;
mod selector;
mod server;
mod service;
mod store;
mod watch;
mod world;

pub use faults::{Crash, Faults, Gate, Side};
pub use monitor::{MonitorAnswer, Unreachable};
pub use random::Random;
pub use world::{Snapshot, World};
