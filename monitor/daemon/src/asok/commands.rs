//! The commands of the admin socket, with the signatures that `ceph daemon` asks for before it sends one.

use serde_json::{Map, Value, json};

/// Where a command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Core,
    Help,
    Descriptions,
    ConfigShow,
    ConfigGet,
    PerfDump,
    LogReopen,
}

/// One command.
#[derive(Debug)]
pub(super) struct Command {
    words: &'static str,
    /// Its argument as (name, Ceph's type, whether it may be left out).
    argument: Option<(&'static str, &'static str, bool)>,
    help: &'static str,
    pub(super) route: Route,
}

const fn core(words: &'static str, help: &'static str) -> Command {
    Command { words, argument: None, help, route: Route::Core }
}

const fn own(words: &'static str, help: &'static str, route: Route) -> Command {
    Command { words, argument: None, help, route }
}

const COMMANDS: [Command; 24] = [
    core("add_bootstrap_peer_hint", "probe this address too").with(("addr", "CephIPAddr", false)),
    core("add_bootstrap_peer_hintv", "probe these addresses too").with(("addrv", "CephString", false)),
    core("compact", "compact the store"),
    own("config get", "show an option", Route::ConfigGet).with(("var", "CephString", false)),
    own("config show", "show all options", Route::ConfigShow),
    core("connection scores dump", "show how well the others were reached"),
    core("connection scores reset", "forget how well the others were reached"),
    core("dump_historic_ops", "show requests that ended lately"),
    core("dump_historic_slow_ops", "show slow requests that ended lately"),
    core("dump_ops_in_flight", "show requests that wait"),
    own("get_command_descriptions", "show signatures", Route::Descriptions),
    core("git_version", "show the source's version"),
    own("help", "show all commands", Route::Help),
    own("log reopen", "open the log file anew", Route::LogReopen),
    core("mon_status", "show what this monitor is doing"),
    core("ops", "show requests that wait"),
    own("perf dump", "show counters", Route::PerfDump),
    core("quorum enter", "take part in the quorum again"),
    core("quorum exit", "stay out of the quorum"),
    core("quorum_status", "show the quorum"),
    core("sessions", "show client sessions"),
    core("status", "show what this monitor is doing"),
    core("sync_force", "take over the whole store from another monitor at the next start").with((
        "yes_i_really_mean_it",
        "CephBool",
        true,
    )),
    core("version", "show the version"),
];

impl Command {
    const fn with(mut self, argument: (&'static str, &'static str, bool)) -> Self {
        self.argument = Some(argument);
        self
    }

    fn signature(&self) -> Value {
        let words = self.words.split(' ').map(Value::from);
        let argument = self.argument.map(|(name, kind, optional)| {
            if optional {
                json!({"name": name, "type": kind, "req": false})
            } else {
                json!({"name": name, "type": kind})
            }
        });
        Value::Array(words.chain(argument).collect())
    }
}

/// The command with these words.
pub(super) fn find(words: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.words == words)
}

/// What each does.
pub(super) fn help() -> Value {
    let lines = COMMANDS.iter().map(|command| (command.words.to_owned(), command.help.into()));
    Value::Object(lines.collect::<Map<_, _>>())
}

/// The signatures, numbered as stock daemons number them.
pub(super) fn descriptions() -> Value {
    let all = COMMANDS.iter().enumerate().map(|(number, command)| {
        let description = json!({
            "sig": command.signature(),
            "help": command.help,
            "module": "mon",
            "perm": "rw",
            "avail": "cli",
            "flags": 0,
        });
        (format!("cmd{number:03}"), description)
    });
    Value::Object(all.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_in_order_and_described() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.words));
        let all = descriptions();
        assert_eq!(all["cmd000"]["sig"][0], "add_bootstrap_peer_hint");
        assert_eq!(all["cmd004"]["sig"], json!(["config", "show"]));
        assert_eq!(
            all["cmd022"]["sig"][1],
            json!({"name": "yes_i_really_mean_it", "type": "CephBool", "req": false})
        );
        assert_eq!(help()["mon_status"], "show what this monitor is doing");
    }
}
