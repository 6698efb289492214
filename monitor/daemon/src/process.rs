//! Commands that are about the process and not about the monitor: its options, its log, its counters. The core
//! has checked who asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use mon_core::effect::CommandReply;
use mon_core::status::Status;
use serde_json::{Map, Value, json};

use crate::config::options::Shown;
use crate::config::table::Kind;
use crate::logging::Logs;
use crate::net::Counts;

/// What they are answered from.
pub(crate) struct Process {
    options: Vec<Shown>,
    logs: Logs,
}

/// What counters are read from.
pub(crate) struct Readings {
    pub(crate) status: Arc<Status>,
    pub(crate) connections: Counts,
}

/// Answered by the engine, which has the store.
pub(crate) const COMPACT: &str = "compact";

const ENOENT: i32 = -2;
const EINVAL: i32 = -22;
const EOPNOTSUPP: i32 = -95;

impl Process {
    /// With these options in effect.
    pub(crate) fn new(options: Vec<Shown>, logs: Logs) -> Self {
        Self { options, logs }
    }

    /// Answers a command of the kind `About::Process`.
    pub(crate) fn answer(
        &self,
        command: &str,
        arguments: &BTreeMap<String, Value>,
        readings: &Readings,
    ) -> CommandReply {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let option = || match text("var") {
            Some(name) => self.find(name),
            None => Err(refused(EINVAL, format!("name an option: {command} OPTION"))),
        };
        let found = match command {
            "config show" => Ok(self.each(|_| true, |option| json!(option.value))),
            "config diff" => Ok(json!({ "diff": self.each(Shown::is_changed, difference) })),
            "config get" => option().map(|option| json!({ option.spec.name: option.value })),
            "config diff get" => {
                option().map(|option| json!({ "diff": { option.spec.name: difference(option) } }))
            }
            "config help" if text("var").is_none() => {
                Ok(json!({ "options": self.options.iter().map(explanation).collect::<Value>() }))
            }
            "config help" => option().map(|option| json!({ "option": explanation(option) })),
            "config set" | "config unset" | "injectargs" => Err(refused(
                EOPNOTSUPP,
                "options are read at start: change the configuration and start the monitor again".into(),
            )),
            "log flush" => Ok(json!({})),
            "log reopen" => {
                self.logs.reopen();
                Ok(json!({}))
            }
            "perf dump" => Ok(select(readings, arguments, |counter| json!(counter.value))),
            "perf schema" => Ok(select(readings, arguments, Counter::schema)),
            "counter dump" => Ok(labelled(readings, |counter| json!(counter.value))),
            "counter schema" => Ok(labelled(readings, Counter::schema)),
            other => Err(refused(EINVAL, format!("unknown command '{other}': see 'help'"))),
        };
        found.map_or_else(
            |refusal| refusal,
            |value| {
                // A JSON value always serialises: its keys are text.
                let text = serde_json::to_string_pretty(&value).unwrap_or_default() + "\n";
                CommandReply { output: text.into(), ..CommandReply::default() }
            },
        )
    }

    fn find(&self, name: &str) -> Result<&Shown, CommandReply> {
        let name = crate::config::ceph_conf::normal_name(name);
        let found = self.options.iter().find(|option| option.spec.name == name);
        found.ok_or_else(|| refused(ENOENT, format!("there is no option '{name}'")))
    }

    fn each(&self, wanted: impl Fn(&Shown) -> bool, show: impl Fn(&Shown) -> Value) -> Value {
        let shown = self.options.iter().filter(|option| wanted(option));
        Value::Object(shown.map(|option| (option.spec.name.to_owned(), show(option))).collect())
    }
}

fn refused(code: i32, message: String) -> CommandReply {
    CommandReply { code, message, ..CommandReply::default() }
}

/// An option beside its default, by where its value comes from.
fn difference(option: &Shown) -> Value {
    let mut out = Map::new();
    out.insert("default".into(), json!(option.default));
    if let Some(source) = option.source {
        out.insert(source.into(), json!(option.value));
    }
    out.insert("final".into(), json!(option.value));
    out.into()
}

/// In the shape of Ceph's option schema.
fn explanation(option: &Shown) -> Value {
    let spec = option.spec;
    let kind = match spec.kind {
        Kind::Text | Kind::Path => "str",
        Kind::Bool => "bool",
        Kind::Integer => "uint",
        Kind::Number => "float",
        Kind::Size => "size",
        Kind::Duration => "secs",
    };
    json!({
        "name": spec.name,
        "type": kind,
        "level": "advanced",
        "desc": spec.help,
        "long_desc": "",
        "default": option.default,
        "daemon_default": "",
        "tags": [],
        "services": ["mon"],
        "see_also": [],
        "min": spec.least.unwrap_or_default(),
        "max": "",
        "can_update_at_runtime": false,
        "flags": ["startup"],
    })
}

/// One counter, by Ceph's names where Ceph has it.
struct Counter {
    logger: &'static str,
    name: &'static str,
    is_gauge: bool,
    help: &'static str,
    value: u64,
}

impl Counter {
    fn schema(&self) -> Value {
        // Ceph's bits: 2 for a whole number, 8 for one that only grows.
        let (kind, word) = if self.is_gauge { (2, "gauge") } else { (10, "counter") };
        json!({
            "type": kind,
            "metric_type": word,
            "value_type": "integer",
            "description": self.help,
            "nick": "",
            "priority": 5,
            "units": "none",
        })
    }
}

fn counters(readings: &Readings) -> Vec<Counter> {
    let Readings { status, connections } = readings;
    let gauge = |logger, name, help, value| Counter { logger, name, is_gauge: true, help, value };
    let count = |name, ours: &str, help| {
        let value = status.counters.get(ours).copied().unwrap_or(0);
        Counter { logger: "mon", name, is_gauge: false, help, value }
    };
    let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let voters = status.members.iter().filter(|member| member.rank.is_some()).count();
    vec![
        gauge("cluster", "num_mon", "monitors in the monmap", size(voters)),
        gauge("cluster", "num_mon_quorum", "monitors in quorum", size(status.quorum.len())),
        gauge("messenger", "connections_clients", "authenticated clients", size(connections.clients)),
        gauge("messenger", "connections_peers", "other monitors", size(connections.peers)),
        gauge(
            "messenger",
            "connections_unauthenticated",
            "not authenticated yet",
            size(connections.handshakes),
        ),
        gauge("mon", "num_sessions", "open client sessions", status.sessions),
        count("num_elections", "election_call", "elections that we took part in"),
        count("election_call", "election_call", "elections that we took part in"),
        count("election_win", "election_win", "elections that we won"),
        count("election_lose", "election_lose", "elections that another won"),
        gauge("paxos", "first_committed", "the oldest value kept", status.paxos.first_committed.0),
        Counter {
            logger: "paxos",
            name: "commit",
            is_gauge: false,
            help: "values committed in the cluster's life",
            value: status.paxos.last_committed.0,
        },
        gauge("store", "bytes", "what the store takes", status.disk.bytes_store),
        gauge("store", "disk_bytes_available", "what is free under the store", status.disk.bytes_available),
        gauge("store", "disk_bytes_total", "the file system under the store", status.disk.bytes_total),
    ]
}

/// By logger and name; arguments may ask for one logger, or one counter of it.
fn select(
    readings: &Readings,
    arguments: &BTreeMap<String, Value>,
    show: impl Fn(&Counter) -> Value,
) -> Value {
    let is = |argument: &str, name: &str| {
        arguments.get(argument).and_then(Value::as_str).is_none_or(|wanted| wanted == name)
    };
    let mut out: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for counter in counters(readings) {
        if is("logger", counter.logger) && is("counter", counter.name) {
            out.entry(counter.logger).or_default().insert(counter.name, show(&counter));
        }
    }
    json!(out)
}

/// The form for counters with labels, of which we have none.
fn labelled(readings: &Readings, show: impl Fn(&Counter) -> Value) -> Value {
    let Value::Object(all) = select(readings, &BTreeMap::new(), show) else { return json!({}) };
    let wrapped =
        all.into_iter().map(|(logger, counters)| (logger, json!([{ "labels": {}, "counters": counters }])));
    Value::Object(wrapped.collect())
}

#[cfg(test)]
mod tests {
    use mon_core::command::socket;

    use super::*;
    use crate::config::options::{Options, Source, Who};

    fn process() -> Process {
        let mut options = Options::new(Who { id: "a".into(), cluster: "ceph".into() });
        options.set("mon_lease", "7", Source::CommandLine);
        Process::new(options.in_effect().collect(), Logs::default())
    }

    fn readings() -> Readings {
        let mut status = Status { sessions: 3, ..Status::default() };
        status.counters.insert("election_win", 2);
        Readings { status: Arc::new(status), connections: Counts { handshakes: 1, clients: 2, peers: 4 } }
    }

    fn ask(command: &str, arguments: &[(&str, &str)]) -> Result<Value, i32> {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let reply = process().answer(command, &arguments, &readings());
        if reply.code < 0 {
            return Err(reply.code);
        }
        Ok(serde_json::from_slice(&reply.output).unwrap())
    }

    #[test]
    fn every_command_that_the_core_passes_on_has_an_answer() {
        for words in socket::about_process().filter(|words| *words != COMPACT) {
            let reply = process().answer(words, &BTreeMap::new(), &readings());
            assert!(!reply.message.starts_with("unknown command"), "{words}: {}", reply.message);
        }
    }

    #[test]
    fn options_are_shown_explained_and_not_changed() {
        let all = ask("config show", &[]).unwrap();
        assert_eq!((&all["mon_lease"], &all["mon_release"]), (&json!("7"), &json!("tentacle")));
        assert_eq!(ask("config get", &[("var", "mon lease")]), Ok(json!({"mon_lease": "7"})));
        assert_eq!(ask("config get", &[("var", "nonsense")]), Err(ENOENT));
        assert_eq!(ask("config get", &[]), Err(EINVAL));
        let diff = ask("config diff", &[]).unwrap();
        let lease = json!({"default": "5", "cmdline": "7", "final": "7"});
        assert_eq!(diff, json!({"diff": {"mon_lease": lease}}));
        assert_eq!(ask("config diff get", &[("var", "mon_lease")]).unwrap(), diff);
        let help = ask("config help", &[("var", "mon_lease")]).unwrap();
        assert_eq!((&help["option"]["default"], &help["option"]["type"]), (&json!("5"), &json!("secs")));
        assert_eq!(ask("config set", &[("var", "mon_lease"), ("val", "9")]), Err(EOPNOTSUPP));
    }

    #[test]
    fn counters_have_cephs_shape() {
        let dump = ask("perf dump", &[]).unwrap();
        assert_eq!((&dump["mon"]["num_sessions"], &dump["mon"]["election_win"]), (&json!(3), &json!(2)));
        let schema = ask("perf schema", &[]).unwrap();
        let names = |value: &Value| -> Vec<(String, Vec<String>)> {
            let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect();
            value.as_object().unwrap().iter().map(|(logger, all)| (logger.clone(), names(all))).collect()
        };
        assert_eq!(names(&dump), names(&schema));
        assert_eq!(schema["mon"]["election_win"]["metric_type"], "counter");
        assert_eq!(
            ask("perf dump", &[("logger", "store"), ("counter", "bytes")]),
            Ok(json!({"store": {"bytes": 0}}))
        );
        assert_eq!(ask("counter dump", &[]).unwrap()["messenger"][0]["counters"]["connections_peers"], 4);
    }
}
