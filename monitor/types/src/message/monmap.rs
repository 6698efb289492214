//! `MMonGetMap` and `MMonMap`: asking for the monmap and showing it.

use bytes::Bytes;

use crate::encode::{Decode, Encode};

/// Asks for the monmap; allowed before authentication.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonGetMap {}

/// The monmap, to a client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MMonMap {
    /// An encoded monmap.
    pub monmap: Bytes,
}
