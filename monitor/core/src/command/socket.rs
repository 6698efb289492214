//! The commands to one monitor: what its admin socket offers, and `ceph tell mon.X`, which leads to the same
//! table as in stock from release 15 on.

use serde_json::{Map, Value, json};

/// One command.
#[derive(Debug)]
pub struct SocketCommand {
    /// Its words, by which it is found.
    pub words: &'static str,
    params: &'static [Param],
    help: &'static str,
    /// Who answers it.
    pub about: About,
}

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The monitor: answered here.
    Monitor,
    /// The process: its options, logs and counters, which the daemon knows.
    Process,
}

/// An argument: name, Ceph's type, and how often it may be given.
#[derive(Debug, Clone, Copy)]
struct Param(&'static str, &'static str, Times);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    Optional,
    Many,
}

use Times::{Many, Once, Optional};

const fn monitor(words: &'static str, help: &'static str) -> SocketCommand {
    SocketCommand { words, params: &[], help, about: About::Monitor }
}

const fn process(words: &'static str, help: &'static str) -> SocketCommand {
    SocketCommand { words, params: &[], help, about: About::Process }
}

impl SocketCommand {
    const fn with(mut self, params: &'static [Param]) -> Self {
        self.params = params;
        self
    }

    fn signature(&self) -> Value {
        let words = self.words.split(' ').map(Value::from);
        let params = self.params.iter().map(|Param(name, kind, times)| match times {
            Once => json!({"name": name, "type": kind}),
            Optional => json!({"name": name, "type": kind, "req": false}),
            Many => json!({"name": name, "type": kind, "n": "N"}),
        });
        words.chain(params).collect()
    }
}

const LOGGER: [Param; 2] =
    [Param("logger", "CephString", Optional), Param("counter", "CephString", Optional)];

/// In order of their words.
const COMMANDS: [SocketCommand; 34] = [
    monitor("add_bootstrap_peer_hint", "probe this address too").with(&[Param("addr", "CephIPAddr", Once)]),
    monitor("add_bootstrap_peer_hintv", "probe these addresses too").with(&[Param(
        "addrv",
        "CephString",
        Once,
    )]),
    process("compact", "compact the store; answers when that is done"),
    process("config diff", "show the options that differ from their defaults"),
    process("config diff get", "show how an option differs from its default").with(&[Param(
        "var",
        "CephString",
        Once,
    )]),
    process("config get", "show an option").with(&[Param("var", "CephString", Once)]),
    process("config help", "explain an option, or all").with(&[Param("var", "CephString", Optional)]),
    process("config set", "refused: options are read at start")
        .with(&[Param("var", "CephString", Once), Param("val", "CephString", Many)]),
    process("config show", "show all options"),
    process("config unset", "refused: options are read at start").with(&[Param("var", "CephString", Once)]),
    monitor("connection scores dump", "show how well the others were reached"),
    monitor("connection scores reset", "forget how well the others were reached"),
    process("counter dump", "show counters with their labels"),
    process("counter schema", "explain the counters with labels"),
    monitor("dump_historic_ops", "show requests that ended lately"),
    monitor("dump_historic_ops_by_duration", "show requests that took longest"),
    monitor("dump_historic_slow_ops", "show slow requests that ended lately"),
    monitor("dump_ops_in_flight", "show requests that wait"),
    monitor("get_command_descriptions", "show signatures, for programs"),
    monitor("git_version", "show the commit that this is built from"),
    monitor("help", "show all commands"),
    process("injectargs", "refused: options are read at start").with(&[Param(
        "injected_args",
        "CephString",
        Many,
    )]),
    process("log flush", "write out what is logged"),
    process("log reopen", "open the log file anew"),
    monitor("mon_status", "show what this monitor is doing"),
    monitor("ops", "show requests that wait"),
    process("perf dump", "show counters").with(&LOGGER),
    process("perf schema", "explain the counters").with(&LOGGER),
    monitor("quorum enter", "take part in the quorum again"),
    monitor("quorum exit", "stay out of the quorum"),
    monitor("quorum_status", "show the quorum"),
    monitor("sessions", "show client sessions"),
    monitor("sync_force", "take over the whole store from another monitor at the next start").with(&[Param(
        "yes_i_really_mean_it",
        "CephBool",
        Optional,
    )]),
    monitor("version", "show the version"),
];

/// The command with these words.
#[must_use]
pub fn find(words: &str) -> Option<&'static SocketCommand> {
    COMMANDS.iter().find(|command| command.words == words)
}

/// The words of those that the process answers.
pub fn about_process() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().filter(|command| command.about == About::Process).map(|command| command.words)
}

/// What each does.
#[must_use]
pub fn help() -> Value {
    let lines = COMMANDS.iter().map(|command| (command.words.to_owned(), command.help.into()));
    Value::Object(lines.collect::<Map<_, _>>())
}

/// The signatures, numbered as stock daemons number them.
#[must_use]
pub fn descriptions() -> Value {
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
        assert_eq!(all["cmd003"]["sig"], json!(["config", "diff"]));
        let sync = all.as_object().unwrap().values().find(|one| one["sig"][0] == "sync_force").unwrap();
        assert_eq!(sync["sig"][1], json!({"name": "yes_i_really_mean_it", "type": "CephBool", "req": false}));
        assert_eq!(help()["mon_status"], "show what this monitor is doing");
    }
}
