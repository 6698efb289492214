//! Whole clusters of the monitor's core in one thread, from one seed.
//!
//! [`World`] steps the same core that the daemon runs, over a simulated network, disks and clocks, while faults that
//! the seed chose happen to it. After every event the [`invariant`]s are looked at; in the end the [`history`] of what
//! clients saw is checked. docs/simulator.md tells how to read a failed run and how to add to all of this.

pub mod clients;
pub mod fault;
pub mod focus;
pub mod guests;
pub mod history;
pub mod invariant;
pub mod minimize;
pub mod mode;
pub mod model;
pub mod net;
pub mod node;
pub mod plan;
pub mod process;
pub mod register;
pub mod run;
pub mod trace;
pub mod whole;
pub mod wire;
pub mod world;

pub use plan::Plan;
pub use register::Registers;
pub use run::Report;
pub use world::World;
