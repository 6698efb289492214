//! `MMgrMap` and `MServiceMap`: what the mgr maintains, as encoded.

use super::opaque::Rest;
use crate::encode::{Decode, Encode};

/// Which mgr is active and what it offers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMgrMap {
    /// The encoded `MgrMap`.
    pub map: Rest,
}

/// Services that registered with the mgr.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MServiceMap {
    /// The encoded `ServiceMap`.
    pub map: Rest,
}
