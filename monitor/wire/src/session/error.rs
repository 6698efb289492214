//! Rules of sessions, as far as they can be broken.

use mon_types::addr::EntityAddr;

/// A rule of sessions that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// A frame that the session's state has no place for.
    #[error("session frame out of place: {0}")]
    Unexpected(&'static str),
    /// The peer must have features that it lacks.
    #[error("peer lacks required features {0:#x}")]
    PeerLacks(u64),
    /// The peer says that we lack features that it requires.
    #[error("peer requires features that we lack: {0:#x}")]
    WeLack(u64),
    /// The peer wants another server.
    #[error("peer is trying to reach {0}, which is not us: check its monmap")]
    NotUs(EntityAddr),
    /// The peer's ident has no usable address.
    #[error("peer shows no msgr2 address")]
    NoAddress,
    /// An attempt that a later one has overtaken.
    #[error("stale connection attempt {0}, {1} was seen")]
    Stale(u64, u64),
    /// We give way to the peer's own call.
    #[error("peer asked to wait for its own connection")]
    Wait,
    /// Another connection took this one's place.
    #[error("replaced by another connection of the same peer")]
    Replaced,
    /// More is queued for the peer than the limits allow.
    #[error("queue is full: {messages} messages, {bytes} bytes wait for a peer that does not read")]
    QueueFull {
        /// How many messages.
        messages: usize,
        /// How many bytes.
        bytes: usize,
    },
    /// A message beyond the limits.
    #[error("message of {0} bytes is too large to send")]
    MessageTooLarge(usize),
}
