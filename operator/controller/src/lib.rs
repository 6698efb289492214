//! The operator: observes, executes and publishes; decides nothing.
//!
//! ```text
//!  operator ── lease ── watches ──┐
//!      └── worker per cluster: reconcile = observe ─> plan ─> status ─> execute ─> events
//!                                   │                              │
//!                              monitors (HTTPS)        build (objects), tls, keyring
//! ```
//! `plan` decides; its words are [`moncluster_plan::Action`]. [`build`] says what objects look like, `execute` puts
//! them there, under the preconditions that the decision carries. What a worker remembers is a convenience: any
//! operator can go on from what is in the cluster.

pub mod args;
pub mod build;
pub mod check;
pub mod clock;
pub mod http;
pub mod keyring;
pub mod metrics;
pub mod monitors;
pub mod operator;
pub mod shelf;
pub mod tls;
pub mod watches;

mod error;
mod events;
mod execute;
mod lease;
mod observe;
mod preflight;
mod reconcile;
mod worker;

pub use error::Error;
pub use preflight::{NotReady, preflight};
pub use worker::{Tools, Worker};
