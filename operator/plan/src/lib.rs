//! What the operator decides: a pure function from an observation to one decision.
//!
//! ```text
//!   controller: observe --> Observation --> plan --> Decision --> controller: publish, then act
//! ```
//! [`plan`] knows no clock, no randomness, no hash order and no IO: the same observation gives the same
//! decision. docs/operator.md has the decision table; each row is a file in `row/`, each operation one in
//! `operation/`.
//!
//! What the controller does with a [`Decision`], in this order, stopping at the first error:
//! 1. If `status` differs from the observed one, replace the status, under the observed resourceVersion.
//! 2. Execute `action`, if there is one: exactly that, under the preconditions in it.
//! 3. Publish `events`.
//! 4. Observe again when `requeue` says, or earlier when a watch fires.
//!
//! As the status goes first, an operation is written down before its first side effect.

mod action;
mod cause;
mod decision;
mod observation;
mod operation;
mod placement;
mod plan;
mod planner;
mod report;
mod row;
mod view;

pub use action::{Action, MonitorCall, Role, SupportKind, Target, Verb};
pub use decision::{Decision, Event, EventKind, Reason, Requeue, Row};
pub use observation::{
    Answer, Caches, ClaimFact, ClaimPhase, ClusterFacts, Committed, ContainerState, Fresh, MapMember,
    MonState, NodeFact, Observation, PodFact, PodPhase, Probe, ServiceFact, StatefulSetFact, SupportFact,
    SupportState, Voter,
};
pub use plan::plan;
