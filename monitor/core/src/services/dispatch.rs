//! From a request to the service that serves it.

use std::collections::BTreeMap;

use mon_types::caps::{Access, Request};
use mon_types::id::Fsid;
use mon_types::message::{
    EmbeddedMessage, EntityInst, Envelope, MCommandReply, MMonCommandAck, MMonGetVersion,
    MMonGetVersionReply, MRoute, Message,
};
use serde_json::Value;

use super::{Services, around};
use crate::bug::{self, Bug};
use crate::command::arguments::CommandError;
use crate::command::table::{CommandDesc, Flags};
use crate::cx::Cx;
use crate::effect::{CommandReply, Effect, Halt};
use crate::operation::{Answer, Command, Errno, Operation, Origin, Prepared, Requester};
use crate::service::auth::AuthService;
use crate::service::health::HealthService;
use crate::service::kv::KvService;
use crate::service::log::LogService;
use crate::service::monmap::MonmapService;
use crate::service::{Around, Kind, Preparing, config, missing};
use crate::status::report;

impl Services {
    /// Understands a command and checks that it may be run.
    pub(super) fn parse_command(
        &self,
        requester: &Requester,
        fsid: Fsid,
        words: &[String],
        input: bytes::Bytes,
    ) -> Result<Command, CommandReply> {
        if fsid != Fsid::default() && fsid != self.identity.fsid {
            let text = format!("wrong fsid: this is cluster {}", self.identity.fsid);
            return Err(CommandReply::refused(Errno::EPERM, text));
        }
        let text = words.concat();
        let (desc, arguments) = self
            .table
            .validate(&text)
            .map_err(|error| CommandReply::refused(errno_of(&error), error.to_string()))?;
        let prefix = desc.signature.prefix();
        let left_to_others = bug::is_on(Bug::CapsUncheckedOnForward)
            && desc.perm.contains('w')
            && self.quorum.as_ref().is_some_and(|quorum| !quorum.we_lead || requester.release == 0);
        if !is_allowed(requester, desc, &prefix, &text) && !left_to_others {
            let text = format!("access denied: {} has no caps for '{prefix}'", requester.entity);
            return Err(CommandReply::refused(Errno::EACCES, text));
        }
        if desc.flags.contains(Flags::OBSOLETE) {
            let text = format!("'{prefix}' is obsolete and does nothing any more");
            return Err(CommandReply::refused(Errno::EOPNOTSUPP, text));
        }
        if desc.flags.contains(Flags::TELL) && kind_of(&prefix).is_none() {
            let text = format!("'{prefix}' is a command for one daemon: run 'ceph tell mon.X {prefix}'");
            return Err(CommandReply::refused(Errno::EINVAL, text));
        }
        if kind_of(&prefix).is_none() {
            return Err(missing::refusal(&prefix, &desc.module, desc.flags.contains(Flags::MGR)));
        }
        Ok(Command { prefix, arguments, input })
    }

    /// Puts an operation on its way.
    pub(super) fn submit(&mut self, cx: &mut Cx<'_>, mut operation: Operation) {
        let waiting = self.queue.len() + self.waiting.len() + self.forwarded.len() + self.reads.count();
        let too_much =
            waiting >= self.settings.operations_max || self.held.bytes() > self.settings.operations_bytes_max;
        if too_much && let Origin::Client(session) = operation.origin {
            self.close_session(cx, session);
            return;
        }
        if operation.hold.is_none() {
            operation.hold = Some(self.held.hold(OPERATION_BYTES + operation.size_bytes()));
        }
        let Some(quorum) = &self.quorum else {
            self.waiting.push_back(operation);
            return;
        };
        match operation_kind(&operation) {
            Kind::Read if bug::is_on(Bug::ReadUnconfirmed) => {
                if let Ok(answer) = self.query(cx, &operation) {
                    self.deliver(cx, &operation, answer);
                }
            }
            Kind::Read => self.reads.query(operation),
            Kind::Write if quorum.we_lead => self.queue.push_back(operation),
            Kind::Write => self.forward(cx, operation),
        }
    }

    /// Puts an operation on its way again after the quorum changed, if anybody still waits for it.
    pub(super) fn resubmit(&mut self, cx: &mut Cx<'_>, operation: Operation) {
        if self.is_wanted(&operation) {
            self.submit(cx, operation);
        }
    }

    /// Whether an answer would reach anybody.
    pub(super) fn is_wanted(&self, operation: &Operation) -> bool {
        match &operation.origin {
            Origin::Client(session) => self.sessions.find(*session).is_some(),
            Origin::Peer { .. } | Origin::Admin(_) => true,
        }
    }

    /// Answers a read from committed state.
    pub(super) fn query(&mut self, cx: &mut Cx<'_>, operation: &Operation) -> Result<Answer, Halt> {
        if let Message::MonGetVersion(question) = &operation.message {
            return Ok(Answer::Message(Box::new(self.get_version(question).into())));
        }
        let Some(command) = &operation.command else { return Ok(Answer::Nothing) };
        let map = self.monmap.map().clone();
        let around = around!(self, cx, map);
        let prefix = command.prefix.as_str();
        let reply = if KvService::kind(prefix).is_some() {
            self.kv.query(&around, command)?
        } else if MonmapService::kind(prefix).is_some() {
            self.monmap.query(&around, command)?
        } else if AuthService::kind(prefix).is_some() {
            self.auth.query(&around, command)
        } else if LogService::kind(prefix).is_some() {
            self.log.query(&around, command)?
        } else if HealthService::kind(prefix).is_some() {
            self.health.query(&around, command)
        } else if config::kind(prefix).is_some() {
            config::query(&around, command)
        } else {
            report::answer(&self.sight(cx, &around), command)?
        };
        Ok(Answer::Command(reply))
    }

    /// What reports are made from.
    pub(super) fn sight<'a>(&'a self, cx: &Cx<'_>, around: &'a Around<'a>) -> report::Sight<'a> {
        report::Sight {
            around,
            health: &self.health,
            sessions: &self.sessions,
            skews: &self.skews,
            quorum_age: cx.now.mono.saturating_sub(self.quorum_changed),
        }
    }

    /// Prepares a write on the leader.
    pub(super) fn prepare(&mut self, cx: &mut Cx<'_>, operation: &Operation) -> Result<Prepared, Halt> {
        let map = self.monmap.map().clone();
        match &operation.message {
            Message::Log(log) => return Ok(self.log.prepare_entries(self.identity.fsid, log)),
            Message::Join(join) => return Ok(self.monmap.prepare_join(&around!(self, cx, map), join)),
            _ => {}
        }
        let Some(command) = &operation.command else {
            return Ok(Prepared { changed: false, answer: Answer::Nothing });
        };
        if let Some(reply) = self.no_space() {
            return Ok(Prepared::unchanged(reply));
        }
        let mut preparing = Preparing { around: around!(self, cx, map), rng: &mut self.rng };
        let prefix = command.prefix.as_str();
        let prepared = if KvService::kind(prefix).is_some() {
            self.kv.prepare(&mut preparing, command)?
        } else if MonmapService::kind(prefix).is_some() {
            self.monmap.prepare(&mut preparing, command)?
        } else if AuthService::kind(prefix).is_some() {
            self.auth.prepare(&mut preparing, command)
        } else if LogService::kind(prefix).is_some() {
            self.log.prepare(&preparing.around, &operation.requester, command)
        } else {
            self.health.prepare(&mut preparing, command)
        };
        if prefix == "auth wipe-rotating-service-keys" && prepared.changed {
            let version = self.auth.version().next();
            self.monmap.set_auth_epoch(&around!(self, cx, map), version);
        }
        Ok(prepared)
    }

    /// The refusal of every write while the leader's disk is as good as full.
    fn no_space(&self) -> Option<CommandReply> {
        let percent = self.disk.bytes_available.saturating_mul(100).checked_div(self.disk.bytes_total)?;
        (percent <= self.settings.disk_error_percent).then(|| {
            let text = format!("mon.{} has {percent}% of its disk left: make room first", self.identity.name);
            CommandReply::refused(Errno::ENOSPC, text)
        })
    }

    fn get_version(&self, question: &MMonGetVersion) -> MMonGetVersionReply {
        let (version, oldest_version) = match question.what.as_str() {
            "monmap" => (self.monmap.version(), self.monmap.first_version()),
            // Maps of services that are not here have no versions.
            _ => Default::default(),
        };
        MMonGetVersionReply { handle: question.handle, version, oldest_version }
    }

    /// Sends an answer to where its operation came from.
    pub(super) fn deliver(&mut self, cx: &mut Cx<'_>, operation: &Operation, answer: Answer) {
        self.history.note(cx.now, operation, &self.settings.history);
        match &operation.origin {
            Origin::Admin(request) => {
                let reply = match answer {
                    Answer::Command(reply) => reply,
                    Answer::Message(_) | Answer::Nothing => CommandReply::default(),
                };
                cx.out.push(Effect::AdminReply { request: *request, reply });
            }
            Origin::Client(session) => {
                if let Some(found) = self.sessions.find_mut(*session) {
                    found.operations = found.operations.saturating_sub(1);
                    if let Some(message) = to_message(operation, answer) {
                        cx.out.reply(*session, message.with_tid(operation.tid), None);
                    }
                }
            }
            Origin::Peer { addrs, tid, .. } => {
                let message = to_message(operation, answer).map(|message| message.with_tid(operation.tid));
                let route = MRoute {
                    session_mon_tid: *tid,
                    dest: EntityInst::default(),
                    message: message
                        .map(|envelope: Envelope| EmbeddedMessage::new(self.instance(), &envelope)),
                    send_osdmap_first: 0,
                };
                cx.out.send(addrs, route, None);
            }
        }
    }
}

fn to_message(operation: &Operation, answer: Answer) -> Option<Message> {
    match (answer, &operation.message) {
        (Answer::Nothing, _) => None,
        (Answer::Message(message), _) => Some(*message),
        (Answer::Command(reply), Message::Command(_)) => Some(MCommandReply::from(reply).into()),
        (Answer::Command(reply), Message::MonCommand(command)) => {
            let CommandReply { code, message, output } = reply;
            Some(
                MMonCommandAck { code, message, cmd: command.cmd.clone(), output, ..Default::default() }
                    .into(),
            )
        }
        (Answer::Command(_), _) => None,
    }
}

/// The result code of a command that is not understood.
fn errno_of(error: &CommandError) -> Errno {
    match error {
        // Stock looks for a key without a name, and finds none.
        CommandError::Missing { command, .. } if command == "config-key get" => Errno::ENOENT,
        CommandError::Missing { .. }
        | CommandError::Malformed(_)
        | CommandError::Unknown(_)
        | CommandError::Type { .. }
        | CommandError::Value { .. }
        | CommandError::Format(_) => Errno::EINVAL,
    }
}

/// How a command is treated; none when no service has it.
pub(super) fn kind_of(prefix: &str) -> Option<Kind> {
    if prefix == "mon step-down" {
        return Some(Kind::Write);
    }
    KvService::kind(prefix)
        .or_else(|| MonmapService::kind(prefix))
        .or_else(|| AuthService::kind(prefix))
        .or_else(|| LogService::kind(prefix))
        .or_else(|| HealthService::kind(prefix))
        .or_else(|| config::kind(prefix))
        .or_else(|| report::kind(prefix))
}

fn operation_kind(operation: &Operation) -> Kind {
    match (&operation.command, &operation.message) {
        (Some(command), _) => kind_of(&command.prefix).unwrap_or(Kind::Read),
        (None, Message::MonGetVersion(_)) => Kind::Read,
        (None, _) => Kind::Write,
    }
}

/// Whether a requester's caps reach for a command.
pub(super) fn is_allowed(requester: &Requester, desc: &CommandDesc, prefix: &str, text: &str) -> bool {
    let Some(need) = Access::from_letters(&desc.perm) else { return false };
    requester.caps.allows(&Request {
        entity: &requester.entity,
        service: &desc.module,
        command: prefix,
        args: &text_arguments(text),
        need,
        addr: requester.ip(),
    })
}

/// The arguments as constraints in caps compare them.
fn text_arguments(text: &str) -> BTreeMap<String, String> {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return BTreeMap::new() };
    object
        .into_iter()
        .filter_map(|(name, value)| {
            let value = match value {
                Value::String(text) => text,
                Value::Array(all) => {
                    let words: Vec<_> = all.iter().filter_map(Value::as_str).collect();
                    words.join(" ")
                }
                Value::Null | Value::Object(_) => return None,
                Value::Bool(_) | Value::Number(_) => value.to_string(),
            };
            Some((name, value))
        })
        .collect()
}

/// Whether a requester may do something that is no command.
pub(super) fn may(requester: &Requester, service: &str, need: Access) -> bool {
    may_run(requester, service, "", &BTreeMap::new(), need)
}

/// Whether a requester may do what a command with these arguments would do.
pub(super) fn may_run(
    requester: &Requester,
    service: &str,
    command: &str,
    args: &BTreeMap<String, String>,
    need: Access,
) -> bool {
    let addr = requester.ip();
    requester.caps.allows(&Request { entity: &requester.entity, service, command, args, need, addr })
}

/// What an operation is taken to need besides its input.
const OPERATION_BYTES: usize = 512;
