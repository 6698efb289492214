//! Messages: what a monitor says and hears, apart from how it travels.
//!
//! [`RawMessage`] is a message as the messenger carries it, its segments opaque. [`Envelope`] is one
//! understood: a transaction id and a [`Message`]. [`Envelope::decode`] and [`Envelope::to_raw`] go between.
//! Types that a monitor passes on or does not know stay [`Message::Unknown`] and keep their bytes.
//!
//! Numbers and versions are those of Ceph 16 to 20, which agree on them; bytes after the fields that we
//! know (of a newer peer) are skipped.

pub mod auth;
pub mod command;
pub mod config;
pub mod election;
pub mod embedded;
pub mod entity_inst;
pub mod forward;
pub mod fsmap;
pub mod global_id;
pub mod health_checks;
pub mod join;
pub mod kv_data;
pub mod log;
pub mod mgrmap;
pub mod mon_ping;
pub mod monmap;
mod op;
pub mod opaque;
pub mod osdmap;
pub mod own;
pub mod paxos;
pub mod paxos_service;
pub mod ping;
pub mod pool;
pub mod probe;
pub mod scrub;
pub mod statfs;
pub mod subscribe;
pub mod sync;
pub mod timecheck;
pub mod used_pending_keys;
pub mod version;

use bytes::Bytes;

pub use auth::{MAuth, MAuthReply};
pub use command::{MCommand, MCommandReply, MMonCommand, MMonCommandAck};
pub use config::{MConfig, MGetConfig};
pub use election::{ElectionOp, MMonElection};
pub use embedded::EmbeddedMessage;
pub use entity_inst::EntityInst;
pub use forward::{MForward, MRoute};
pub use fsmap::{MFSMap, MFSMapUser, MMDSMap};
pub use global_id::MMonGlobalID;
pub use health_checks::MMonHealthChecks;
pub use join::MMonJoin;
pub use kv_data::MKVData;
pub use log::{MLog, MLogAck};
pub use mgrmap::{MMgrMap, MServiceMap};
pub use mon_ping::{MMonPing, MonPingOp};
pub use monmap::{MMonGetMap, MMonMap};
pub use osdmap::{MMonGetOSDMap, MOSDMap};
pub use own::{Follow, Heartbeat, HeartbeatAck, ReadIndex, ReadIndexOp, StepDown};
pub use paxos::{MMonPaxos, PaxosOp};
pub use paxos_service::PaxosServiceMessage;
pub use ping::MPing;
pub use pool::{MGetPoolStats, MGetPoolStatsReply, MPoolOp, MPoolOpReply};
pub use probe::{MMonProbe, ProbeOp};
pub use scrub::{MMonScrub, ScrubOp, ScrubResult};
pub use statfs::{MStatfs, MStatfsReply};
pub use subscribe::{MMonSubscribe, MMonSubscribeAck, SubscribeItem};
pub use sync::{MMonSync, SyncOp};
pub use timecheck::{MTimeCheck2, TimeCheckOp};
pub use used_pending_keys::MMonUsedPendingKeys;
pub use version::{MMonGetVersion, MMonGetVersionReply};

use crate::encode::{Decode, DecodeError, Encode, Reader};

/// A message as msgr2 frames carry it. Sequence numbers and acknowledgements belong to the session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawMessage {
    /// The sender's id for matching replies; 0 when nobody waits for one.
    pub tid: u64,
    /// The message type number (`CEPH_MSG_*`, `MSG_MON_*`).
    pub kind: u16,
    /// Priority; 127 is the default, 196 what monitors use.
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

/// A message with the number by which its answer is matched.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The sender's id for matching replies; 0 when nobody waits for one.
    pub tid: u64,
    /// What it says.
    pub message: Message,
}

/// How a message type travels. The front segment is the type's encoding.
pub trait Payload: Encode + Decode {
    /// The type number.
    const KIND: u16;
    /// Version of the encoding.
    const VERSION: u16 = 1;
    /// Oldest version whose reader understands it.
    const COMPAT: u16 = 1;

    /// The priority, where it is not the same for every message of the type.
    fn priority(&self) -> Option<u16> {
        None
    }

    /// What goes into the data segment.
    fn data(&self) -> Bytes {
        Bytes::new()
    }

    /// Takes what came in the data segment.
    fn attach(&mut self, _data: &Bytes) {}
}

/// What monitors give everything that they send (`CEPH_MSG_PRIO_HIGH`).
const PRIORITY_MON: u16 = 196;
/// What everybody else uses (`CEPH_MSG_PRIO_DEFAULT`).
const PRIORITY_DEFAULT: u16 = 127;

macro_rules! messages {
    ($($(#[$doc:meta])* $variant:ident($body:ty), $priority:expr;)*) => {
        /// Everything that a monitor understands.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Message {
            $($(#[$doc])* $variant($body),)*
            /// A type that is not in this list.
            Unknown(RawMessage),
        }

        impl Message {
            /// The type number.
            #[must_use]
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => <$body>::KIND,)*
                    Self::Unknown(raw) => raw.kind,
                }
            }

            /// The variant's name, for logs and metrics.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => stringify!($variant),)*
                    Self::Unknown(_) => "Unknown",
                }
            }

            fn from_raw(raw: &RawMessage) -> Result<Self, DecodeError> {
                match raw.kind {
                    $(<$body>::KIND => decode_body(stringify!($variant), raw).map(Self::$variant),)*
                    _ => Ok(Self::Unknown(raw.clone())),
                }
            }

            fn to_raw(&self) -> RawMessage {
                match self {
                    $(Self::$variant(body) => encode_body(body, $priority),)*
                    Self::Unknown(raw) => raw.clone(),
                }
            }
        }

        $(
            impl From<$body> for Message {
                fn from(body: $body) -> Self {
                    Self::$variant(body)
                }
            }

            impl From<$body> for Envelope {
                fn from(body: $body) -> Self {
                    Message::from(body).into()
                }
            }
        )*
    };
}

messages! {
    /// Is anybody there, from whoever, even unauthenticated.
    Ping(MPing), PRIORITY_DEFAULT;
    /// The monmap.
    MonMap(MMonMap), PRIORITY_MON;
    /// Asks for the monmap.
    MonGetMap(MMonGetMap), PRIORITY_DEFAULT;
    /// Asks for OSD maps.
    MonGetOsdMap(MMonGetOSDMap), PRIORITY_DEFAULT;
    /// Asks for usage.
    Statfs(MStatfs), PRIORITY_DEFAULT;
    /// Usage.
    StatfsReply(MStatfsReply), PRIORITY_MON;
    /// Subscribes.
    Subscribe(MMonSubscribe), PRIORITY_DEFAULT;
    /// A subscription's term.
    SubscribeAck(MMonSubscribeAck), PRIORITY_MON;
    /// Asks the authentication service.
    Auth(MAuth), PRIORITY_DEFAULT;
    /// Its answer.
    AuthReply(MAuthReply), PRIORITY_MON;
    /// Asks for a map's versions.
    MonGetVersion(MMonGetVersion), PRIORITY_DEFAULT;
    /// A map's versions.
    MonGetVersionReply(MMonGetVersionReply), PRIORITY_MON;
    /// A file system's map.
    MdsMap(MMDSMap), PRIORITY_MON;
    /// OSD maps.
    OsdMap(MOSDMap), PRIORITY_MON;
    /// All file systems' map.
    FsMap(MFSMap), PRIORITY_MON;
    /// All file systems' map, for clients.
    FsMapUser(MFSMapUser), PRIORITY_MON;
    /// A client's request, from a peon to the leader.
    Forward(MForward), PRIORITY_MON;
    /// An answer to a client, from the leader to a peon.
    Route(MRoute), PRIORITY_MON;
    /// The result of a pool operation.
    PoolOpReply(MPoolOpReply), PRIORITY_MON;
    /// A pool operation.
    PoolOp(MPoolOp), PRIORITY_DEFAULT;
    /// A command to the quorum.
    MonCommand(MMonCommand), PRIORITY_DEFAULT;
    /// Its result.
    MonCommandAck(MMonCommandAck), PRIORITY_MON;
    /// Cluster log entries.
    Log(MLog), PRIORITY_MON;
    /// They are committed.
    LogAck(MLogAck), PRIORITY_MON;
    /// Keys below a prefix.
    KvData(MKVData), PRIORITY_MON;
    /// Asks for pool statistics.
    GetPoolStats(MGetPoolStats), PRIORITY_DEFAULT;
    /// Pool statistics.
    GetPoolStatsReply(MGetPoolStatsReply), PRIORITY_MON;
    /// A peon needs more global ids.
    MonGlobalId(MMonGlobalID), PRIORITY_MON;
    /// A peon saw pending keys in use.
    UsedPendingKeys(MMonUsedPendingKeys), PRIORITY_MON;
    /// Options that apply to the receiver.
    Config(MConfig), PRIORITY_MON;
    /// Asks for them.
    GetConfig(MGetConfig), PRIORITY_DEFAULT;
    /// Compares stores.
    Scrub(MMonScrub), PRIORITY_MON;
    /// Chooses a leader.
    Election(MMonElection), PRIORITY_MON;
    /// Agrees on a value.
    Paxos(MMonPaxos), PRIORITY_MON;
    /// Finds out who is there.
    Probe(MMonProbe), PRIORITY_MON;
    /// Asks to be put into the monmap.
    Join(MMonJoin), PRIORITY_MON;
    /// Copies the store.
    Sync(MMonSync), PRIORITY_MON;
    /// A command to this daemon.
    Command(MCommand), PRIORITY_DEFAULT;
    /// Its result.
    CommandReply(MCommandReply), PRIORITY_MON;
    /// Measures a connection between monitors.
    MonPing(MMonPing), PRIORITY_MON;
    /// A peon's own health.
    HealthChecks(MMonHealthChecks), PRIORITY_MON;
    /// Compares clocks.
    TimeCheck(MTimeCheck2), PRIORITY_MON;
    /// The mgr's map.
    MgrMap(MMgrMap), PRIORITY_MON;
    /// Services that registered with the mgr.
    ServiceMap(MServiceMap), PRIORITY_MON;
    /// Our own: reads without leases.
    ReadIndex(ReadIndex), PRIORITY_MON;
    /// Our own: the leader gives up its place.
    StepDown(StepDown), PRIORITY_MON;
    /// Our own: a learner follows.
    Follow(Follow), PRIORITY_MON;
    /// Our own: the leader's sign of life.
    Heartbeat(Heartbeat), PRIORITY_MON;
    /// Our own: the answer to it.
    HeartbeatAck(HeartbeatAck), PRIORITY_MON;
}

macro_rules! numbers {
    ($($body:ty = $kind:literal, $version:literal / $compat:literal;)*) => {
        $(impl Payload for $body {
            const KIND: u16 = $kind;
            const VERSION: u16 = $version;
            const COMPAT: u16 = $compat;
        })*
    };
}

// Type number, header version / compat as Ceph sends them. Commands and forwards have
// more to say and have theirs beside them.
numbers! {
    MPing = 2, 1/1;
    MMonMap = 4, 1/1;
    MMonGetMap = 5, 1/1;
    MMonGetOSDMap = 6, 1/1;
    MStatfs = 13, 2/1;
    MStatfsReply = 14, 1/1;
    MMonSubscribe = 15, 3/1;
    MMonSubscribeAck = 16, 1/1;
    MAuth = 17, 1/1;
    MAuthReply = 18, 1/1;
    MMonGetVersion = 19, 1/1;
    MMonGetVersionReply = 20, 2/1;
    MMDSMap = 21, 2/1;
    MOSDMap = 41, 4/3;
    MFSMap = 45, 1/1;
    MRoute = 47, 3/3;
    MPoolOpReply = 48, 1/1;
    MPoolOp = 49, 4/2;
    MLog = 52, 1/1;
    MLogAck = 53, 1/1;
    MKVData = 54, 1/1;
    MGetPoolStats = 58, 1/1;
    MGetPoolStatsReply = 59, 2/1;
    MMonGlobalID = 60, 1/1;
    MConfig = 62, 1/1;
    MGetConfig = 63, 1/1;
    MMonScrub = 64, 2/2;
    MMonElection = 65, 9/5;
    MMonPaxos = 66, 4/3;
    MMonProbe = 67, 8/5;
    MMonJoin = 68, 3/2;
    MMonSync = 69, 2/2;
    MFSMapUser = 103, 1/1;
    MMonPing = 140, 1/1;
    MMonUsedPendingKeys = 141, 1/1;
    MMonHealthChecks = 0x608, 1/1;
    MTimeCheck2 = 0x609, 1/1;
    MMgrMap = 0x704, 1/1;
    MServiceMap = 0x707, 1/1;
    ReadIndex = 0x6d01, 1/1;
    StepDown = 0x6d02, 1/1;
    Follow = 0x6d03, 1/1;
    Heartbeat = 0x6d04, 1/1;
    HeartbeatAck = 0x6d05, 1/1;
}

impl Envelope {
    /// Understands a message. Types that are not known give [`Message::Unknown`].
    ///
    /// # Errors
    /// When the payload is not what its type says, or needs a newer reader.
    pub fn decode(raw: &RawMessage) -> Result<Self, DecodeError> {
        Ok(Self { tid: raw.tid, message: Message::from_raw(raw)? })
    }

    /// The message as the messenger carries it.
    #[must_use]
    pub fn to_raw(&self) -> RawMessage {
        RawMessage { tid: self.tid, ..self.message.to_raw() }
    }
}

impl From<Message> for Envelope {
    /// A message that nobody waits for.
    fn from(message: Message) -> Self {
        Self { tid: 0, message }
    }
}

impl Message {
    /// Puts the message into an envelope with this id.
    #[must_use]
    pub fn with_tid(self, tid: u64) -> Envelope {
        Envelope { tid, message: self }
    }
}

fn decode_body<B: Payload>(what: &'static str, raw: &RawMessage) -> Result<B, DecodeError> {
    if raw.compat > B::VERSION {
        // Ceph's versions are small; where they are not, saturated ones tell as much.
        let (compat, known) = (u8::try_from(raw.compat).unwrap_or(u8::MAX), B::VERSION as u8);
        return Err(DecodeError::Incompatible { what, compat, known });
    }
    let mut body = B::decode(&mut Reader::new(&raw.front))?;
    body.attach(&raw.data);
    Ok(body)
}

fn encode_body<B: Payload>(body: &B, priority: u16) -> RawMessage {
    RawMessage {
        tid: 0,
        kind: B::KIND,
        priority: body.priority().unwrap_or(priority),
        version: B::VERSION,
        compat: B::COMPAT,
        front: body.to_bytes(),
        middle: Bytes::new(),
        data: body.data(),
    }
}
