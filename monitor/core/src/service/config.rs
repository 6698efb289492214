//! The configuration database, as far as there is one: subscribers get an empty set of options, which is what
//! the cluster has; setting options is refused.

use std::fmt::Write as _;

use mon_types::addr::AddrVec;
use mon_types::message::{MConfig, Message};
use serde_json::{Map, Value, json};

use super::{Around, Kind};
use crate::command::arguments::Format;
use crate::command::format;
use crate::effect::CommandReply;
use crate::operation::{Command, Errno};

/// How a command is treated; none when there is no such command.
pub(crate) fn kind(prefix: &str) -> Option<Kind> {
    match prefix {
        "config dump" | "config get" | "config log" | "config ls" | "config generate-minimal-conf" => {
            Some(Kind::Read)
        }
        _ => None,
    }
}

/// All options that apply to a subscriber.
pub(crate) fn update() -> Message {
    MConfig::default().into()
}

pub(crate) fn query(around: &Around<'_>, command: &Command) -> CommandReply {
    let form = command.arguments.format();
    match command.prefix.as_str() {
        "config dump" => {
            let table = || "WHO  MASK  LEVEL  OPTION  VALUE  RO\n".to_owned();
            CommandReply::output(format::text_or_json(form, table, || json!([])))
        }
        "config get" if command.arguments.text("key").is_some() => {
            let text = "this monitor keeps no configuration database: every option has its default";
            CommandReply::refused(Errno::ENOENT, text)
        }
        "config get" => {
            let table = || "WHO  MASK  LEVEL  OPTION  VALUE  RO\n".to_owned();
            CommandReply::output(format::text_or_json(form, table, || Value::Object(Map::new())))
        }
        "config generate-minimal-conf" => CommandReply::output(minimal_conf(around)),
        "config log" if form != Format::Plain => {
            // The entry that every database starts with.
            let first = json!([{ "version": 1, "timestamp": "0.000000", "name": "", "changes": [] }]);
            CommandReply::output(format::json(form, &first))
        }
        _ => CommandReply::output(match form {
            Format::Plain => bytes::Bytes::new(),
            Format::Json | Format::JsonPretty => format::json(form, &json!([])),
        }),
    }
}

fn minimal_conf(around: &Around<'_>) -> String {
    let map = around.monmap;
    let bracketed = |addrs: &AddrVec| addrs.to_string();
    let hosts: Vec<_> = map.by_rank().map(|(_, info)| bracketed(&info.addrs)).collect();
    let mut out = format!("# minimal ceph.conf for {}\n[global]\n", map.fsid);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\tfsid = {}\n\tmon_host = {}", map.fsid, hosts.join(" "));
    out
}
