//! What a newer release appended to a structure that we store and pass on again.
//!
//! Dropping it would be an error that nobody notices: an old-shape leader that rewrites a monmap would
//! erase the cipher policy of a newer one.

use bytes::Bytes;

use crate::encode::Reader;

/// The part of an envelope after everything that we know, with the writer's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    version: u8,
    bytes: Bytes,
}

impl Tail {
    /// Takes what is left of an envelope whose writer has `version` and whose reader knows `known`.
    pub(crate) fn take(version: u8, known: u8, input: &mut Reader<'_>) -> Self {
        let bytes = Bytes::copy_from_slice(input.take_rest());
        Self { version: if version > known { version } else { 0 }, bytes }
    }

    /// The version to write: `ours`, or the newer one whose tail this is.
    pub(crate) fn version(&self, ours: u8) -> u8 {
        self.version.max(ours)
    }

    /// Appends the bytes as they were read.
    pub(crate) fn append(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }

    /// Whether nothing unknown was there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
