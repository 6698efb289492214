//! Labels, annotations and the finalizer that tie objects to a cluster.

/// On everything: the MonCluster's name.
pub const CLUSTER: &str = "moncluster.io/cluster";
/// On everything that belongs to one member: its name.
pub const MEMBER: &str = "moncluster.io/member";
/// On pods: what the member is, `bootstrap`, `learner` or `voter` (see the plan's `Role`).
pub const ROLE: &str = "moncluster.io/role";
/// On pods and StatefulSets: a hash of what the spec makes of them.
pub const REVISION: &str = "moncluster.io/revision";
/// Annotation of claims: the cluster's fsid, so that a lost MonCluster can be adopted again.
pub const FSID: &str = "moncluster.io/fsid";
/// Annotation of claims: the member's address, `IP:PORT`, for the same reason.
pub const ADDRESS: &str = "moncluster.io/address";
/// Annotation of claims whose member is gone for good: when they may be deleted. Such a claim is never adopted.
pub const RETIRED_UNTIL: &str = "moncluster.io/retired-until";
/// Annotation of a MonCluster: a [`crate::Request`].
pub const REQUEST: &str = "moncluster.io/request";
/// The finalizer of a MonCluster.
pub const FINALIZER: &str = "moncluster.io/cleanup";
/// The field owner of everything that the operator applies.
pub const FIELD_OWNER: &str = "moncluster-operator";
