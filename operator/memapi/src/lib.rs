//! A Kubernetes API server in memory, with faults, for tests of the operator.
