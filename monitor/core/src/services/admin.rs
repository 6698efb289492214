//! What is asked of this very monitor: the admin socket, `ceph tell mon.X`, `ceph ping`, and commands from
//! inside the process.

use std::collections::BTreeMap;
use std::sync::Arc;

use mon_types::addr::AddrVec;
use mon_types::message::{MCommand, MMonCommand, Message};
use mon_types::monmap::MonMap;
use serde_json::{Map, Value, json};

use super::client::is_descriptions;
use super::dispatch::is_allowed;
use super::{Services, around};
use crate::command::arguments::{CommandError, Format};
use crate::command::format;
use crate::command::table::Flags;
use crate::cx::Cx;
use crate::effect::{CommandReply, Effect, Halt};
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
                let reply = self.socket_command(cx, &prefix, &arguments);
                cx.out.push(Effect::AdminReply { request, reply });
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

    /// `ceph tell mon.X`.
    pub(super) fn tell(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        tid: u64,
        command: MCommand,
    ) -> Result<(), Halt> {
        let Some(found) = self.sessions.find(session) else { return Ok(()) };
        let requester = found.requester.clone();
        let reply = self.tell_reply(cx, &requester, &command);
        let CommandReply { code, message, output } = reply;
        let reply = mon_types::message::MCommandReply { code, message, output };
        cx.out.reply(session, Message::from(reply).with_tid(tid), None);
        Ok(())
    }

    fn tell_reply(&mut self, cx: &mut Cx<'_>, requester: &Requester, command: &MCommand) -> CommandReply {
        if is_descriptions(&command.cmd) {
            return self.descriptions(true);
        }
        let text = command.cmd.concat();
        let prefix = match self.table.validate(&text) {
            Ok((desc, _)) if desc.flags.contains(Flags::TELL) => {
                let prefix = desc.signature.prefix();
                if !is_allowed(requester, desc, &prefix, &text) {
                    let text = format!("access denied: {} has no caps for '{prefix}'", requester.entity);
                    return CommandReply::refused(Errno::EACCES, text);
                }
                prefix
            }
            // The admin socket has commands that share their words with commands of the quorum.
            Ok((desc, _)) if requester.caps.is_allow_all() && is_socket_command(&desc.signature.prefix()) => {
                desc.signature.prefix()
            }
            Ok((desc, _)) => {
                let prefix = desc.signature.prefix();
                let text = format!("'{prefix}' is no command for one daemon: run 'ceph {prefix}'");
                return CommandReply::refused(Errno::EINVAL, text);
            }
            // Commands of the admin socket that the table does not list ask for full rights.
            Err(CommandError::Unknown(prefix)) if requester.caps.is_allow_all() => prefix,
            Err(error) => return CommandReply::refused(Errno::EINVAL, error.to_string()),
        };
        let arguments: BTreeMap<String, Value> =
            serde_json::from_str::<Map<String, Value>>(&text).unwrap_or_default().into_iter().collect();
        self.socket_command(cx, &prefix, &arguments)
    }

    /// A command of the admin socket.
    fn socket_command(
        &mut self,
        cx: &mut Cx<'_>,
        prefix: &str,
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
        match prefix {
            "help" => output(&json!(HELP.iter().copied().collect::<BTreeMap<_, _>>())),
            "get_command_descriptions" => self.descriptions(true),
            "version" => output(&report::tell_version(&self.identity)),
            "git_version" => output(&json!({ "git_version": report::git_version(&self.identity) })),
            "mon_status" => output(&self.mon_status(cx, &map)),
            "quorum enter" | "quorum_enter" => {
                order(self, Order::QuorumEnter, "started responding to quorum")
            }
            "quorum exit" | "quorum_exit" => order(self, Order::QuorumExit, "stopped responding to quorum"),
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
            "connection scores reset" => order(self, Order::ResetConnectionScores, ""),
            "sessions" => output(&report::sessions(&self.sessions)),
            "ops" | "dump_ops_in_flight" => output(&self.operations(cx)),
            "dump_historic_ops" | "dump_historic_ops_by_duration" | "dump_historic_slow_ops" => {
                output(&json!({ "size": 0, "duration": 0, "ops": [] }))
            }
            "compact" => CommandReply::done("the store compacts itself"),
            "config show" | "perf dump" | "connection scores dump" => {
                let text = format!("'{prefix}' is served by the admin socket: ceph daemon <path> {prefix}");
                CommandReply::refused(Errno::EOPNOTSUPP, text)
            }
            "injectargs" => {
                let text = "options are set in the configuration file and read at start";
                CommandReply::refused(Errno::EOPNOTSUPP, text)
            }
            other => CommandReply::refused(Errno::EINVAL, format!("unknown command '{other}': see 'help'")),
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
        };
        report::mon_status(&self.identity, map, &state)
    }

    fn operations(&self, cx: &Cx<'_>) -> Value {
        let in_line = self.queue.iter().chain(&self.waiting).chain(self.forwarded.values());
        let list: Vec<Value> = in_line
            .map(|operation| {
                json!({
                    "description": operation.message.name(),
                    "age": cx.now.mono.saturating_sub(operation.arrived).as_secs_f64(),
                    "source": operation.requester.entity.to_string(),
                })
            })
            .collect();
        json!({ "ops": list, "num_ops": list.len() + self.reads.count() })
    }
}

fn is_socket_command(prefix: &str) -> bool {
    HELP.iter().any(|(name, _)| *name == prefix)
}

/// The admin socket's commands, in our words.
const HELP: [(&str, &str); 18] = [
    ("add_bootstrap_peer_hint", "probe this address as well"),
    ("add_bootstrap_peer_hintv", "probe these addresses as well"),
    ("compact", "compact the store"),
    ("config show", "print the settings in use"),
    ("connection scores dump", "print the connection scores that elections go by"),
    ("connection scores reset", "forget the connection scores"),
    ("dump_historic_ops", "print recent operations"),
    ("get_command_descriptions", "print what commands there are, for programs"),
    ("git_version", "print the commit that this is built from"),
    ("help", "print what commands there are"),
    ("mon_status", "print the state of this monitor"),
    ("ops", "print operations that wait"),
    ("perf dump", "print counters"),
    ("quorum enter", "take part in the quorum again"),
    ("quorum exit", "stay out of the quorum"),
    ("sessions", "print client sessions"),
    ("sync_force", "take the store's content from the others at the next start"),
    ("version", "print the version"),
];
