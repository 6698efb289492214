//! What a monitor does, as data.
//!
//! Durability order is part of the data: a send or reply with `after: Some(id)` must not leave the process
//! before write `id` was reported persisted. Effects of one `handle` call are carried out in order; writes
//! reach the store in the order of their ids, whether synced or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::id::{GlobalId, Rank};
use mon_types::kv::Transaction;
use mon_types::message::{Envelope, MCommandReply};

use crate::event::{RequestId, SessionId};
use crate::status::Status;

/// A write's number; later writes have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WriteId(pub u64);

/// An output of `Monitor::handle`.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Apply a transaction to the store and report `Event::Persisted`.
    Persist {
        /// The write's number.
        id: WriteId,
        /// The changes.
        transaction: Transaction,
        /// Whether the report must wait until the disk has it. An unsynced write is reported once it can
        /// be read; a power cut may undo it, but never one before it.
        sync: bool,
    },
    /// Send to a monitor, connecting if need be; queued and replayed by the lossless session.
    Send {
        /// The peer.
        to: AddrVec,
        /// What to say.
        message: Envelope,
        /// The write that must be persisted first.
        after: Option<WriteId>,
    },
    /// Send to a client session; dropped when the session is gone.
    Reply {
        /// The session.
        session: SessionId,
        /// What to say.
        message: Envelope,
        /// The write that must be persisted first.
        after: Option<WriteId>,
    },
    /// Close a client session.
    CloseSession {
        /// The session.
        session: SessionId,
    },
    /// The monmap or our place in it changed: keep sessions with exactly these monitors, under this rank.
    Peers {
        /// Our rank; none when the map does not hold us.
        rank: Option<Rank>,
        /// Everybody else that we may talk to. Sessions with others are dropped.
        peers: Vec<AddrVec>,
        /// Whether existing sessions must be made anew, because our rank (and with it our name) changed.
        reset: bool,
    },
    /// Forget a peer's session, with what is queued in it.
    DropPeer {
        /// The peer.
        peer: AddrVec,
    },
    /// The answer to `Event::GlobalIdWanted`.
    GlobalId {
        /// Who waits.
        request: RequestId,
        /// The id; none when there is none to give now (no quorum): the handshake is refused for now.
        id: Option<GlobalId>,
    },
    /// The answer to `Event::Admin`.
    AdminReply {
        /// Who waits.
        request: RequestId,
        /// Result, message and output.
        reply: CommandReply,
    },
    /// A command that is about the process, from somebody who may run it; the answer goes to who asked.
    ProcessCommand {
        /// Who waits.
        asker: Asker,
        /// Its words, one of [`crate::command::socket`].
        command: &'static str,
        /// Its arguments.
        arguments: BTreeMap<String, serde_json::Value>,
    },
    /// The state that handshakes are judged by has changed.
    PublishAuth(Arc<mon_cephx::server::AuthView>),
    /// The state that health, status and metrics endpoints show has changed.
    PublishStatus(Arc<Status>),
    /// Committed entries of the cluster log, for the log file.
    ClusterLog(Vec<mon_types::log::LogEntry>),
    /// Key/value changes that were committed, for watchers inside the process.
    KvChanged(Vec<KvChange>),
    /// A note for the operator's log.
    Log(Level, String),
    /// Nothing more will come: stop the process.
    Halt(Halt),
}

/// Where the answer to a command goes that is not for the quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The admin socket or the HTTP endpoint.
    Request(RequestId),
    /// A client that used `ceph tell`.
    Client {
        /// Its session.
        session: SessionId,
        /// Its number for the command.
        tid: u64,
    },
}

/// What a command returns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandReply {
    /// 0, or a negative errno.
    pub code: i32,
    /// One line for people (stderr of the CLI).
    pub message: String,
    /// The output (stdout of the CLI).
    pub output: Bytes,
}

impl From<CommandReply> for MCommandReply {
    fn from(reply: CommandReply) -> Self {
        let CommandReply { code, message, output } = reply;
        Self { code, message, output }
    }
}

/// One committed change of the key/value service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvChange {
    /// The service version that made it.
    pub version: mon_types::id::Version,
    /// The key.
    pub key: String,
    /// The new value, none when it was removed.
    pub value: Option<Bytes>,
}

/// How grave a log note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For following what happens in detail.
    Debug,
    /// Normal, worth keeping.
    Info,
    /// Something that may need attention.
    Warn,
    /// Something that does.
    Error,
}

/// Why the process must stop. Each has its own exit code, documented in docs/exit-codes.md.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Asked to, and done.
    #[error("terminated as asked")]
    Terminated,
    /// The monmap no longer holds us, after it once did.
    #[error("this monitor was removed from the monmap; wipe its data directory before using the name again")]
    Removed,
    /// The store cannot be trusted.
    #[error(
        "{0}; move the data directory away and let the monitor sync from its peers, one monitor at a time"
    )]
    StoreDamaged(#[from] mon_types::kv::StoreError),
    /// The cluster has moved to features that we do not have.
    #[error("the cluster requires what this release lacks: {0}; run a newer release")]
    FeaturesMissing(String),
    /// An assumption of ours does not hold: going on could lie.
    #[error("broken invariant: {0}; please report it with the log")]
    Invariant(String),
}

/// The effects of one or more events, in order, with the numbering of writes.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    list: Vec<Effect>,
    last_write: WriteId,
}

impl Effects {
    /// Adds an effect.
    pub fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// Adds a write and returns its number.
    pub fn persist(&mut self, transaction: Transaction, sync: bool) -> WriteId {
        self.last_write.0 += 1;
        let id = self.last_write;
        self.list.push(Effect::Persist { id, transaction, sync });
        id
    }

    /// Adds a send to a monitor.
    pub fn send(&mut self, to: &AddrVec, message: impl Into<Envelope>, after: Option<WriteId>) {
        self.list.push(Effect::Send { to: to.clone(), message: message.into(), after });
    }

    /// Adds a reply to a client session.
    pub fn reply(&mut self, session: SessionId, message: impl Into<Envelope>, after: Option<WriteId>) {
        self.list.push(Effect::Reply { session, message: message.into(), after });
    }

    /// Adds a log note.
    pub fn log(&mut self, level: Level, text: impl Into<String>) {
        self.list.push(Effect::Log(level, text.into()));
    }

    /// Takes all effects so far.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Effect> {
        self.list.drain(..)
    }
}
