//! What can happen to a monitor.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mon_types::addr::AddrVec;
use mon_types::caps::MonCap;
use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityName;
use mon_types::id::GlobalId;
use mon_types::message::Envelope;

use crate::effect::WriteId;

/// A client connection's number, given by the daemon, never reused while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// A number by which the daemon finds who waits for an answer from inside the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// An input of `Monitor::handle`.
#[derive(Debug, Clone)]
pub enum Event {
    /// The daemon is listening; comes once, first.
    Started,
    /// The time that `Monitor::next_deadline` named has come (early and late calls do no harm).
    Deadline,
    /// All writes up to and including this one are in the store as durably as they asked for.
    Persisted(WriteId),

    /// A session with another monitor stands (new, or reset so that what was sent before may be lost).
    PeerConnected {
        /// The peer's addresses as it showed them.
        peer: AddrVec,
        /// The msgr2 features that both sides have.
        features: u64,
    },
    /// A monitor's process is gone or cannot be reached: its connection closed, or connecting is refused.
    /// The session may come back by itself, with `PeerConnected`.
    PeerDown {
        /// Whose.
        peer: AddrVec,
    },
    /// A message from another monitor.
    PeerMessage {
        /// The sender's addresses.
        peer: AddrVec,
        /// What it says.
        message: Envelope,
    },

    /// A client, OSD, MDS or mgr finished its handshake.
    ClientOpened {
        /// The new session.
        session: SessionId,
        /// Who it proved to be, and from where.
        client: ClientInfo,
    },
    /// A message from a client session.
    ClientMessage {
        /// The session.
        session: SessionId,
        /// What it says.
        message: Envelope,
    },
    /// A sign of life without content (keepalive); sessions without any are closed.
    ClientAlive {
        /// The session.
        session: SessionId,
    },
    /// A client session ended.
    ClientClosed {
        /// The session.
        session: SessionId,
    },

    /// An authenticated handshake asks for a new global id; answered by `Effect::GlobalId`.
    GlobalIdWanted {
        /// Who waits.
        request: RequestId,
    },
    /// A request from the admin socket or the HTTP endpoint; answered by `Effect::AdminReply`.
    Admin {
        /// Who waits.
        request: RequestId,
        /// What is asked.
        command: AdminCommand,
    },
    /// A measurement of the disk that the store is on.
    Disk(DiskUse),
    /// The process was asked to end: hand leadership over, then halt.
    Terminate,
}

/// What the handshake established about a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo {
    /// The authenticated name.
    pub entity: EntityName,
    /// Its cluster-wide id.
    pub global_id: GlobalId,
    /// What it may do.
    pub caps: MonCap,
    /// The address that it shows for itself.
    pub addrs: AddrVec,
    /// Where the connection really comes from (network clauses of caps look at this).
    pub socket: Option<SocketAddr>,
    /// The features that both sides have.
    pub features: u64,
    /// The key that is to replace its present one, when it logged in with that.
    pub used_pending_key: Option<CryptoKey>,
    /// The release that it shows by its features, for the feature report; 0 when unknown.
    pub release: u8,
}

/// A question or order from inside the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminCommand {
    /// A command as the Ceph CLI would send it (JSON with a `prefix`), run with full rights.
    Monitor {
        /// The JSON text.
        command: String,
        /// What `-i FILE` carries.
        input: bytes::Bytes,
    },
    /// A command of the admin socket (`mon_status`, `quorum enter`, `sync_force`, `sessions`, `ops` ...).
    Socket {
        /// The command words.
        prefix: String,
        /// Its arguments.
        arguments: BTreeMap<String, serde_json::Value>,
    },
}

/// The state of the disk under the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct DiskUse {
    /// Size of the file system in bytes.
    pub bytes_total: u64,
    /// What is still free to us.
    pub bytes_available: u64,
    /// What the store itself takes.
    pub bytes_store: u64,
}
