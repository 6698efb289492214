//! The MonCluster resource: spec, status, schema and the validated form of the spec.
