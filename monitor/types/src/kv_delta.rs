//! The value of `kv/N`: what a version changed among the config keys.
//!
//! ```text
//! map<string key, optional<bl>>     none: the key was removed
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::encode::{Decode, Encode};

/// Changed keys and what they hold since; `None` for removed ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct KvDelta(pub BTreeMap<String, Option<Bytes>>);
