//! What the operator decides: a pure function from an observation to one decision.
