//! What is asked of this very monitor: the admin socket, `ceph tell mon.X`, `ceph ping`, and commands from
//! inside the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use mon_types::addr::AddrVec;
use mon_types::message::{MCommand, MCommandReply, MMonCommand, Message};
use mon_types::monmap::MonMap;
use serde_json::{Map, Value, json};

use super::client::is_descriptions;
use super::dispatch::is_allowed;
use super::history;
use super::propose::InFlight;
use super::{Services, around};
use crate::command::arguments::Format;
use crate::command::format;
use crate::command::socket::{self, About, SocketCommand};
use crate::command::table::Flags;
use crate::cx::Cx;
use crate::effect::{Asker, CommandReply, Effect, Halt};
use crate::event::{AdminCommand, RequestId, SessionId};
use crate::operation::{Errno, Operation, Origin, Requester};
use crate::quorum::Order;
use crate::status::report;

impl Services {
    /// A request from inside the process. Commands to the quorum are answered by `Effect::AdminReply` once they
    /// are done; everything else at once.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn admin(&mut self, cx: &mut Cx<'_>, request: RequestId, command: AdminCommand) -> Result<(), Halt> {
        match command {
            AdminCommand::Socket { prefix, arguments } => {
                self.socket_command(cx, Asker::Request(request), &prefix, arguments)?;
            }
            AdminCommand::Monitor { command, input } => {
                let message =
                    MMonCommand { fsid: self.identity.fsid, cmd: vec![command], input, ..Default::default() };
                let mut operation = Operation {
                    origin: Origin::Admin(request),
                    requester: Arc::new(Requester::own()),
                    tid: 0,
                    message: message.into(),
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
        }
        Ok(())
    }

    /// `ceph tell mon.X`: the admin socket's commands, for who may run them.
    pub(super) fn tell(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        tid: u64,
        command: &MCommand,
    ) -> Result<(), Halt> {
        let Some(found) = self.sessions.find(session) else { return Ok(()) };
        let requester = found.requester.clone();
        let asker = Asker::Client { session, tid };
        match self.understand_tell(&requester, command) {
            Ok((prefix, arguments)) => self.socket_command(cx, asker, &prefix, arguments)?,
            Err(refusal) => answer(cx, asker, refusal),
        }
        Ok(())
    }

    fn understand_tell(
        &self,
        requester: &Requester,
        command: &MCommand,
    ) -> Result<(String, BTreeMap<String, Value>), CommandReply> {
        if is_descriptions(&command.cmd) {
            return Ok(("get_command_descriptions".into(), BTreeMap::new()));
        }
        let text = command.cmd.concat();
        let mut arguments: BTreeMap<String, Value> =
            serde_json::from_str::<Map<String, Value>>(&text).unwrap_or_default().into_iter().collect();
        let Some(Value::String(prefix)) = arguments.remove("prefix") else {
            return Err(CommandReply::refused(Errno::EINVAL, "a command is a JSON object with a prefix"));
        };
        // The table of the quorum says who may tell; what it does not list asks for full rights.
        let allowed = match self.table.find(&prefix).filter(|desc| desc.flags.contains(Flags::TELL)) {
            Some(desc) => is_allowed(requester, desc, &prefix, &text),
            None if socket::find(&prefix).is_some() || self.table.find(&prefix).is_none() => {
                requester.caps.is_allow_all()
            }
            None => {
                let text = format!("'{prefix}' is no command for one daemon: run 'ceph {prefix}'");
                return Err(CommandReply::refused(Errno::EINVAL, text));
            }
        };
        if !allowed {
            let text = format!("access denied: {} has no caps for '{prefix}'", requester.entity);
            return Err(CommandReply::refused(Errno::EACCES, text));
        }
        Ok((prefix, arguments))
    }

    /// A command of the admin socket.
    fn socket_command(
        &mut self,
        cx: &mut Cx<'_>,
        asker: Asker,
        prefix: &str,
        arguments: BTreeMap<String, Value>,
    ) -> Result<(), Halt> {
        let reply = match socket::find(prefix) {
            Some(SocketCommand { about: About::Process, words, .. }) => {
                cx.out.push(Effect::ProcessCommand { asker, command: words, arguments });
                return Ok(());
            }
            Some(SocketCommand { about: About::Monitor, words, .. }) => {
                self.monitor_command(cx, words, &arguments)
            }
            None if self.table.find(prefix).is_some() => {
                CommandReply::refused(Errno::EOPNOTSUPP, format!("'{prefix}' is not served by this monitor"))
            }
            None => CommandReply::refused(Errno::EINVAL, format!("unknown command '{prefix}': see 'help'")),
        };
        answer(cx, asker, reply);
        Ok(())
    }

    /// One of those that are about the monitor.
    fn monitor_command(
        &mut self,
        cx: &mut Cx<'_>,
        words: &str,
        arguments: &BTreeMap<String, Value>,
    ) -> CommandReply {
        let form = match arguments.get("format").and_then(Value::as_str) {
            Some("json") => Format::Json,
            Some(_) | None => Format::JsonPretty,
        };
        let output = |value: &Value| CommandReply::output(format::json(form, value));
        let order = |services: &mut Self, order: Order, text: &str| {
            services.orders.push(order);
            CommandReply::done(text)
        };
        let map = self.monmap.map().clone();
        let op_form = history::Form::from(self.identity.release);
        match words {
            "help" => output(&socket::help()),
            "get_command_descriptions" => output(&socket::descriptions()),
            "version" => output(&report::tell_version(&self.identity)),
            "git_version" => output(&json!({ "git_version": report::git_version(&self.identity) })),
            "mon_status" => output(&self.mon_status(cx, &map)),
            "quorum_status" => {
                let around = around!(self, cx, map);
                output(&report::quorum_status(&self.sight(cx, &around)))
            }
            "quorum enter" => order(self, Order::QuorumEnter, "started responding to quorum"),
            "quorum exit" => order(self, Order::QuorumExit, "stopped responding to quorum"),
            "sync_force" => {
                let sure = arguments.get("yes_i_really_mean_it").is_some_and(|value| match value {
                    Value::Bool(sure) => *sure,
                    other => other.as_str().is_some_and(|text| text.starts_with("--") || text == "true"),
                });
                if !sure {
                    let text = "this throws the store's content away: add --yes-i-really-mean-it";
                    return CommandReply::refused(Errno::EPERM, text);
                }
                order(self, Order::SyncForce, "the store is taken from the others at the next start")
            }
            "add_bootstrap_peer_hint" | "add_bootstrap_peer_hintv" => {
                let text = arguments.get("addr").or_else(|| arguments.get("addrv")).and_then(Value::as_str);
                match text.unwrap_or_default().parse::<AddrVec>() {
                    Ok(addrs) => {
                        let text = format!("adding peer {addrs} to list");
                        order(self, Order::AddPeerHint(addrs), &text)
                    }
                    Err(error) => CommandReply::refused(Errno::EINVAL, error.to_string()),
                }
            }
            "connection scores dump" => output(&report::connection_scores(&self.connection_scores)),
            "connection scores reset" => order(self, Order::ResetConnectionScores, ""),
            "sessions" => output(&report::sessions(&self.sessions)),
            "ops" | "dump_ops_in_flight" => output(&self.operations(cx)),
            "dump_historic_ops" | "dump_historic_ops_by_duration" => {
                let longest_first = words != "dump_historic_ops";
                output(&self.history.dump(cx.now, &self.settings.history, op_form, longest_first))
            }
            "dump_historic_slow_ops" => {
                output(&self.history.dump_slow(cx.now, &self.settings.history, op_form))
            }
            other => CommandReply::refused(Errno::EOPNOTSUPP, format!("'{other}' is not served here")),
        }
    }

    /// The answer to `ceph ping`.
    pub(super) fn ping_report(&self, cx: &Cx<'_>) -> String {
        let map = self.monmap.map().clone();
        let health = {
            let around = around!(self, cx, map);
            let checks = self.health.merged(&around);
            crate::service::health::render::json(&checks, self.health.mutes(), false)
        };
        format::pretty(&json!({ "health": health, "mon_status": self.mon_status(cx, &map) }))
    }

    fn mon_status(&self, cx: &Cx<'_>, map: &MonMap) -> Value {
        let state = report::State {
            published: &self.published,
            quorum: self.quorum.as_ref(),
            quorum_age: cx.now.mono.saturating_sub(self.quorum_changed),
            uptime: cx.now.mono.saturating_sub(self.started.unwrap_or(cx.now.mono)),
            sessions: &self.sessions,
            outside_quorum: &self.outside_quorum,
        };
        report::mon_status(&self.identity, map, &state)
    }

    fn operations(&self, cx: &Cx<'_>) -> Value {
        let proposed = self.in_flight.iter().chain(&self.uncertain).flat_map(InFlight::operations);
        let in_line = self.queue.iter().chain(&self.waiting).chain(self.forwarded.values());
        let waiting = in_line.chain(proposed).chain(self.reads.operations());
        history::in_flight(cx.now, history::Form::from(self.identity.release), waiting)
    }
}

/// Sends an answer to who asked.
fn answer(cx: &mut Cx<'_>, asker: Asker, reply: CommandReply) {
    match asker {
        Asker::Request(request) => cx.out.push(Effect::AdminReply { request, reply }),
        Asker::Client { session, tid } => {
            cx.out.reply(session, Message::from(MCommandReply::from(reply)).with_tid(tid), None);
        }
    }
}
