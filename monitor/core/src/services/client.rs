//! Sessions and what comes over them.

use mon_cephx::session::{Principal, answer};
use mon_types::caps::Access;
use mon_types::encode::Encode;
use mon_types::message::{
    Envelope, MAuth, MAuthReply, MConfig, MGetPoolStats, MGetPoolStatsReply, MMonMap, MPing, MPoolOpReply,
    MStatfs, MStatfsReply, Message,
};

use super::Services;
use super::dispatch::may;
use crate::cx::Cx;
use crate::effect::{CommandReply, Effect, Halt};
use crate::event::{ClientInfo, SessionId};
use crate::operation::{Answer, Command, Errno, Operation, Origin};

impl Services {
    /// A client finished its handshake.
    ///
    /// # Errors
    /// None at present.
    pub fn client_opened(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        client: ClientInfo,
    ) -> Result<(), Halt> {
        if self.sessions.count() >= self.settings.sessions_max {
            cx.out.push(Effect::CloseSession { session });
            return Ok(());
        }
        if let Some(key) = client.used_pending_key.clone() {
            self.note_pending_key(cx, client.entity.clone(), key);
        }
        self.sessions.open(session, client.into(), cx.now.mono);
        Ok(())
    }

    /// A sign of life.
    pub fn client_alive(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        if let Some(found) = self.sessions.find_mut(session) {
            found.alive = cx.now.mono;
        }
    }

    /// A session ended. What it asked for and the leader has not prepared yet is dropped when its turn comes.
    pub fn client_closed(&mut self, _cx: &mut Cx<'_>, session: SessionId) {
        self.sessions.close(session);
    }

    pub(super) fn close_session(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        if self.sessions.close(session).is_some() {
            cx.out.push(Effect::CloseSession { session });
        }
    }

    /// A message from a client.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn client_message(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        envelope: Envelope,
    ) -> Result<(), Halt> {
        let Some(found) = self.sessions.find_mut(session) else { return Ok(()) };
        found.alive = cx.now.mono;
        if found.operations >= self.settings.session_operations_max {
            self.close_session(cx, session);
            return Ok(());
        }
        let Envelope { tid, message } = envelope;
        match message {
            Message::Ping(_) => {
                let report = Some(self.ping_report(cx));
                self.answer_now(cx, session, tid, MPing { report });
            }
            Message::MonGetMap(_) => {
                let monmap = self.monmap().to_bytes();
                self.answer_now(cx, session, tid, MMonMap { monmap });
            }
            Message::Subscribe(subscribe) => self.subscribe(cx, session, &subscribe)?,
            Message::Auth(auth) => {
                let reply = self.auth_reply(cx, session, &auth);
                self.answer_now(cx, session, tid, reply);
            }
            Message::GetConfig(_) => self.answer_now(cx, session, tid, MConfig::default()),
            Message::Statfs(question) => {
                let reply = statfs(&question);
                self.answer_now(cx, session, tid, reply);
            }
            Message::GetPoolStats(question) => {
                let reply = pool_stats(&question);
                self.answer_now(cx, session, tid, reply);
            }
            Message::PoolOp(operation) => {
                let reply = MPoolOpReply {
                    fsid: operation.fsid,
                    code: Errno::EOPNOTSUPP.code(),
                    ..Default::default()
                };
                self.answer_now(cx, session, tid, reply);
            }
            Message::MonCommand(_) | Message::MonGetVersion(_) | Message::Log(_) => {
                self.ask(cx, session, tid, message);
            }
            Message::Command(command) => self.tell(cx, session, tid, &command)?,
            other => {
                let text = format!("session {}: {} has no meaning here yet", session.0, other.name());
                cx.out.log(crate::effect::Level::Debug, text);
            }
        }
        Ok(())
    }

    fn answer_now(&self, cx: &mut Cx<'_>, session: SessionId, tid: u64, message: impl Into<Message>) {
        let message: Message = message.into();
        cx.out.reply(session, message.with_tid(tid), None);
    }

    /// Makes an operation of a message that needs committed state or a change.
    fn ask(&mut self, cx: &mut Cx<'_>, session: SessionId, tid: u64, message: Message) {
        let Some(found) = self.sessions.find_mut(session) else { return };
        let requester = found.requester.clone();
        found.operations += 1;
        let mut operation = Operation {
            origin: Origin::Client(session),
            requester,
            tid,
            message,
            command: None,
            arrived: cx.now.mono,
            forwarded: 0,
            hold: None,
        };
        match self.understand(cx, &operation) {
            Ok(command) => {
                operation.command = command;
                self.submit(cx, operation);
            }
            Err(answer) => self.deliver(cx, &operation, *answer),
        }
    }

    /// Parses an operation's command and checks its caps; gives the answer when it ends there.
    pub(super) fn understand(
        &self,
        cx: &Cx<'_>,
        operation: &Operation,
    ) -> Result<Option<Command>, Box<Answer>> {
        match &operation.message {
            Message::MonCommand(command) => {
                if is_descriptions(&command.cmd) {
                    return Err(Box::new(Answer::Command(self.descriptions())));
                }
                let requester = &operation.requester;
                let parsed = self.parse_command(requester, command.fsid, &command.cmd, command.input.clone());
                match parsed {
                    Ok(command) => match self.local_answer(cx, &command) {
                        Some(reply) => Err(Box::new(Answer::Command(reply))),
                        None => Ok(Some(command)),
                    },
                    Err(reply) => Err(Box::new(Answer::Command(reply))),
                }
            }
            Message::Log(_) if !may(&operation.requester, "log", Access::WRITE) => {
                Err(Box::new(Answer::Nothing))
            }
            _ => Ok(None),
        }
    }

    /// What is told without a quorum, because it is about this very monitor or never changes.
    fn local_answer(&self, _cx: &Cx<'_>, command: &Command) -> Option<CommandReply> {
        match command.prefix.as_str() {
            "fsid" | "version" => Some(crate::status::report::fixed(&self.identity, command)),
            _ => None,
        }
    }

    /// The commands to the quorum that the CLI offers.
    pub(super) fn descriptions(&self) -> CommandReply {
        // Stock lists everything to everybody, hidden commands too: `ceph version` is one of them.
        CommandReply::output(self.table.descriptions_json(|_| true))
    }

    /// Further tickets, rotating secrets.
    fn auth_reply(&mut self, cx: &mut Cx<'_>, session: SessionId, auth: &MAuth) -> MAuthReply {
        let Some(found) = self.sessions.find(session) else { return MAuthReply::default() };
        let requester = found.requester.clone();
        let principal = Principal { entity: &requester.entity, global_id: requester.global_id };
        let Some(view) = self.auth_view.clone() else { return MAuthReply::default() };
        let result = answer(&view, principal, &auth.auth_payload, cx.now.wall, &mut self.rng);
        let (result, result_bl, result_msg) = match result {
            Ok(payload) => (0, payload, String::new()),
            Err(refusal) => (refusal.code(), bytes::Bytes::new(), refusal.to_string()),
        };
        MAuthReply { protocol: auth.protocol, result, global_id: requester.global_id, result_bl, result_msg }
    }
}

/// `get_command_descriptions` is no command of the table; everybody may ask.
pub(super) fn is_descriptions(words: &[String]) -> bool {
    let text = words.concat();
    let object: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    object.is_some_and(|object| object["prefix"] == "get_command_descriptions")
}

/// A cluster without OSDs holds nothing.
fn statfs(question: &MStatfs) -> MStatfsReply {
    MStatfsReply { fsid: question.fsid, ..Default::default() }
}

fn pool_stats(question: &MGetPoolStats) -> MGetPoolStatsReply {
    MGetPoolStatsReply { fsid: question.fsid, ..Default::default() }
}
