//! The operator on a real Kubernetes: a cluster in network namespaces, and scenarios.

fn main() {}
