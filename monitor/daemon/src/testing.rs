//! A core that answers from a script, for tests of what asks it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mon_core::effect::CommandReply;
use mon_core::event::{AdminCommand, Event};
use mon_core::status::Status;
use tokio::sync::watch;

use crate::feed::Feed;
use crate::handle::{CoreHandle, Published};
use crate::queue::{self, EventReceiver};
use crate::requests::Requests;

/// Replies by the words of the command; the last command with its input comes back in `asked`.
pub(crate) struct Core {
    script: BTreeMap<String, CommandReply>,
    status: Status,
}

/// A handle whose questions come out of the receiver.
pub(crate) fn handle() -> (CoreHandle, EventReceiver) {
    let (handle, _, _, receiver) = parts(Status::default());
    (handle, receiver)
}

fn parts(status: Status) -> (CoreHandle, Requests, watch::Sender<Arc<Status>>, EventReceiver) {
    let (sender, receiver) = queue::channel(8, 8);
    let requests = Requests::new(sender);
    let (status_sender, status) = watch::channel(Arc::new(status));
    let published =
        Published { status, kv: Arc::new(Feed::new(100, 10_000)), log: Arc::new(Feed::new(100, 10_000)) };
    (CoreHandle::new(requests.clone(), published), requests, status_sender, receiver)
}

impl Core {
    pub(crate) fn new() -> Self {
        Self { script: BTreeMap::new(), status: Status::default() }
    }

    /// Answers a command.
    pub(crate) fn on(mut self, prefix: &str, code: i32, message: &str, output: &str) -> Self {
        let output = Bytes::copy_from_slice(output.as_bytes());
        self.script.insert(prefix.into(), CommandReply { code, message: message.into(), output });
        self
    }

    /// Shows a status.
    pub(crate) fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Starts answering. What is asked is sent to `asked` as text: the JSON, a space, the input.
    pub(crate) fn handle(self) -> CoreHandle {
        self.start().0
    }

    /// As `handle`, with what was asked.
    pub(crate) fn start(self) -> (CoreHandle, watch::Receiver<Vec<String>>) {
        let (handle, requests, status, mut events) = parts(self.status);
        let (asked, receiver) = watch::channel(Vec::new());
        let script = self.script;
        tokio::spawn(async move {
            let _status = status;
            while let Some(event) = events.next(None).await {
                let Event::Admin { request, command } = event else { continue };
                let (prefix, text) = match command {
                    AdminCommand::Monitor { command, input } => {
                        let json: serde_json::Value = serde_json::from_str(&command).unwrap();
                        let input = String::from_utf8_lossy(&input).into_owned();
                        (json["prefix"].as_str().unwrap().to_owned(), format!("{command} {input}"))
                    }
                    AdminCommand::Socket { prefix, arguments } => {
                        let text = format!("{prefix} {}", serde_json::to_string(&arguments).unwrap());
                        (prefix, text)
                    }
                };
                asked.send_modify(|all| all.push(text));
                let unknown =
                    CommandReply { code: -22, message: "not in the script".into(), ..Default::default() };
                requests.answer_command(request, script.get(&prefix).cloned().unwrap_or(unknown));
            }
        });
        (handle, receiver)
    }
}
