//! Something that is asked of the services: by whom, what, and where the answer goes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::caps::MonCap;
use mon_types::entity::{EntityInstanceName, EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::message::Message;

use crate::command::arguments::Arguments;
use crate::effect::CommandReply;
use crate::event::{ClientInfo, RequestId, SessionId};
use crate::held::Hold;

/// Where an operation comes from, and its answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A client session here.
    Client(SessionId),
    /// A client session at a peon, which forwarded it under its own number.
    Peer { addrs: AddrVec, name: String, tid: u64 },
    /// The admin socket or the HTTP endpoint.
    Admin(RequestId),
}

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Requester {
    pub(crate) entity: EntityName,
    pub(crate) global_id: GlobalId,
    pub(crate) caps: MonCap,
    pub(crate) addrs: AddrVec,
    pub(crate) socket: Option<std::net::SocketAddr>,
    pub(crate) features: u64,
    pub(crate) release: u8,
}

/// One request on its way through the services.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) origin: Origin,
    pub(crate) requester: Arc<Requester>,
    /// The client's number for it, repeated in the answer.
    pub(crate) tid: u64,
    pub(crate) message: Message,
    /// What the message says, when it is a command.
    pub(crate) command: Option<Command>,
    /// Monotonic time of arrival.
    pub(crate) arrived: Duration,
    /// Our number for it when it was forwarded; 0 when it never was.
    pub(crate) forwarded: u64,
    /// Its part of what all that wait hold, once it waits.
    pub(crate) hold: Option<Hold>,
}

/// A command that was understood and whose caps were checked.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) prefix: String,
    pub(crate) arguments: Arguments,
    pub(crate) input: Bytes,
}

/// What an operation is answered with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// A command's result.
    Command(CommandReply),
    /// A message of its own kind.
    Message(Box<Message>),
    /// Nothing is sent.
    Nothing,
}

/// What preparing an operation led to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    /// Whether something must be committed before the answer may leave.
    pub(crate) changed: bool,
    pub(crate) answer: Answer,
}

impl Prepared {
    /// The answer holds without a change.
    pub(crate) fn unchanged(reply: CommandReply) -> Self {
        Self { changed: false, answer: Answer::Command(reply) }
    }

    /// The answer holds once the pending change is committed.
    pub(crate) fn changed(reply: CommandReply) -> Self {
        Self { changed: true, answer: Answer::Command(reply) }
    }
}

impl CommandReply {
    /// Success with a line for people.
    pub(crate) fn done(message: impl Into<String>) -> Self {
        Self { code: 0, message: message.into(), output: Bytes::new() }
    }

    /// Success with output.
    pub(crate) fn output(output: impl Into<Bytes>) -> Self {
        Self { code: 0, message: String::new(), output: output.into() }
    }

    /// A refusal.
    pub(crate) fn refused(errno: Errno, message: impl Into<String>) -> Self {
        Self { code: errno.code(), message: message.into(), output: Bytes::new() }
    }

    /// Adds a line for people to output.
    pub(crate) fn saying(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

/// Linux error numbers, as the CLI shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::upper_case_acronyms, reason = "Linux's names")]
pub(crate) enum Errno {
    /// Operation not permitted.
    EPERM,
    /// No such entry.
    ENOENT,
    /// The value is too large.
    EFBIG,
    /// No permission.
    EACCES,
    /// In use, or not now.
    EBUSY,
    /// Exists already.
    EEXIST,
    /// Invalid argument.
    EINVAL,
    /// Out of space.
    ENOSPC,
    /// Not supported here.
    EOPNOTSUPP,
    /// The state that was expected is not there (any more).
    ECANCELED,
}

impl Errno {
    pub(crate) fn code(self) -> i32 {
        -match self {
            Self::EPERM => 1,
            Self::ENOENT => 2,
            Self::EACCES => 13,
            Self::EBUSY => 16,
            Self::EEXIST => 17,
            Self::EINVAL => 22,
            Self::EFBIG => 27,
            Self::ENOSPC => 28,
            Self::EOPNOTSUPP => 95,
            Self::ECANCELED => 125,
        }
    }
}

impl Command {
    /// The command without what may be secret, for logs.
    pub(crate) fn shown(&self) -> serde_json::Value {
        let mut shown = serde_json::Map::new();
        shown.insert("prefix".into(), self.prefix.clone().into());
        for name in ["key", "entity", "name", "voter", "learner", "code"] {
            if let Some(text) = self.arguments.text(name) {
                shown.insert(name.into(), text.into());
            }
        }
        shown.into()
    }
}

impl Operation {
    /// How much input it carries.
    pub(crate) fn size_bytes(&self) -> usize {
        match &self.message {
            Message::MonCommand(command) => {
                command.input.len() + command.cmd.iter().map(String::len).sum::<usize>()
            }
            Message::Log(log) => log.entries.iter().map(|entry| entry.message.len()).sum(),
            _ => 0,
        }
    }
}

impl Requester {
    /// The numbered name, as logs show it.
    pub(crate) fn instance(&self) -> EntityInstanceName {
        let number = i64::try_from(self.global_id.0).unwrap_or(-1);
        EntityInstanceName { kind: self.entity.kind as u8, number: if number == 0 { -1 } else { number } }
    }

    /// The process itself, with full rights.
    pub(crate) fn own() -> Self {
        Self {
            entity: EntityName::new(EntityType::Client, "admin"),
            global_id: GlobalId(0),
            caps: MonCap::allow_all(),
            addrs: AddrVec::default(),
            socket: None,
            features: 0,
            release: 0,
        }
    }

    /// The address that network clauses of caps are compared with.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.socket.map(|socket| socket.ip())
    }
}

impl From<ClientInfo> for Requester {
    fn from(client: ClientInfo) -> Self {
        let ClientInfo { entity, global_id, caps, addrs, socket, features, used_pending_key: _, release } =
            client;
        Self { entity, global_id, caps, addrs, socket, features, release }
    }
}
