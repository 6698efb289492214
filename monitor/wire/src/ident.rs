//! Bodies of the frames that identify a session: a new one (CLIENT_IDENT, SERVER_IDENT) or one to go on
//! with (SESSION_RECONNECT).

use mon_types::addr::{AddrVec, EntityAddr};
use mon_types::encode::{Decode, Encode};

/// Flag of both idents: nothing is kept for a reconnect.
pub const FLAG_LOSSY: u64 = 1;

/// CLIENT_IDENT: the connecting side opens a session.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ClientIdent {
    /// Its addresses.
    pub addrs: AddrVec,
    /// The address that it means to reach; must be one of the other side's.
    pub target: EntityAddr,
    /// Its rank or global id.
    pub number: i64,
    /// Grows with every attempt that its process makes: tells a stale attempt from a fresh one.
    pub global_seq: u64,
    /// Features that it has.
    pub features_supported: u64,
    /// Features that the other side must have.
    pub features_required: u64,
    /// [`FLAG_LOSSY`].
    pub flags: u64,
    /// Names its half of the session.
    pub cookie: u64,
}

/// SERVER_IDENT: the accepting side agrees.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ServerIdent {
    /// Its addresses.
    pub addrs: AddrVec,
    /// Its rank.
    pub number: i64,
    /// As in [`ClientIdent`].
    pub global_seq: u64,
    /// Features that it has.
    pub features_supported: u64,
    /// Features that the other side must have.
    pub features_required: u64,
    /// [`FLAG_LOSSY`].
    pub flags: u64,
    /// Names its half of the session; 0 for a lossy one.
    pub cookie: u64,
}

/// SESSION_RECONNECT: either side goes on with a session whose connection broke.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Reconnect {
    /// The speaker's addresses.
    pub addrs: AddrVec,
    /// The cookie of whoever opened the session.
    pub client_cookie: u64,
    /// The cookie of whoever accepted it.
    pub server_cookie: u64,
    /// As in [`ClientIdent`].
    pub global_seq: u64,
    /// Counts the session's reconnects, to settle who of two that reconnect at once gives way.
    pub connect_seq: u64,
    /// The last message that the speaker has received.
    pub msg_seq: u64,
}
