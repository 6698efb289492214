//! Messages: what a monitor says and hears, apart from how it travels.
//!
//! [`RawMessage`] is a message as the messenger carries it, its segments opaque. [`Envelope`] is one
//! understood: a transaction id and a [`Message`]. `Message::decode` and `Envelope::to_raw` go between.

use bytes::Bytes;

/// A message as msgr2 frames carry it. Sequence numbers and acknowledgements belong to the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawMessage {
    /// The sender's id for matching replies; 0 when nobody waits for one.
    pub tid: u64,
    /// The message type number (`CEPH_MSG_*`, `MSG_MON_*`).
    pub kind: u16,
    /// Priority; 127 is the default, 196 what monitors use among themselves.
    pub priority: u16,
    /// Version of the payload's encoding.
    pub version: u16,
    /// Oldest version whose reader understands it.
    pub compat: u16,
    /// First payload segment.
    pub front: Bytes,
    /// Second, rarely used.
    pub middle: Bytes,
    /// Third: bulk data such as a command's input or output.
    pub data: Bytes,
}

impl RawMessage {
    /// Payload bytes of all three segments.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.front.len() + self.middle.len() + self.data.len()
    }
}
