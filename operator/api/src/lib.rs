//! The MonCluster resource: spec, status, schema and the validated form of the spec.
//!
//! `crds/moncluster.yaml` is generated from here by `cargo xtask crds`. What the schema refuses and what
//! [`ValidatedCluster`] refuses is the same; the second exists because an object may be older than the schema.

mod disruption_budget;
pub mod label;
mod moment;
mod name;
mod request;
mod span;
// The derives repeat `pub` items in places of their own.
#[allow(unreachable_pub)]
mod spec;
mod status;
mod validated;

pub use disruption_budget::{disruption_budget, majority};
pub use moment::{BadMoment, Moment};
pub use name::{BadMemberName, MemberName, ObjectNames};
pub use request::{BadRequest, Request, Verb};
pub use span::{BadSpan, Span};
pub use spec::{
    AdminSpec, AntiAffinity, AuthSpec, ClaimResources, ClaimTemplate, DeletionPolicy, DisruptionSpec,
    DrainPolicy, HealingMode, HealingSpec, ImageSpec, IpFamily, LogLevel, MonCluster, MonClusterSpec,
    NetworkSpec, PdbMode, PlacementSpec, PodTemplate, Portability, PullPolicy, ReplaceAfter, Retention,
    SecretRef, StorageRequests, StorageSpec, UpdateSpec, UpdateStrategy, VolumeFate,
};
pub use status::{
    Candidate, CauseOfOutage, Condition, ConditionStatus, Endpoints, Finished, HealingStatus, MemberState,
    MemberStatus, MonClusterStatus, Operation, OperationKind, OperationResult, PaxosStatus, QuorumState,
    QuorumStatus, Recovery, Replaced, RequestResult, RequestStatus, RolledVersion, Step,
};
pub use validated::{Invalid, ValidatedCluster};
