//! How the HTTP endpoint and the admin socket ask the core, and look at what it published.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_core::effect::{CommandReply, KvChange};
use mon_core::event::AdminCommand;
use mon_core::status::Status;
use mon_types::log::LogEntry;
use tokio::sync::{Semaphore, watch};

use crate::feed::Feed;
use crate::queue::Stopping;
use crate::requests::Requests;

/// Asks the core and looks at what it published. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CoreHandle {
    requests: Requests,
    /// Places for requests that wait; more are turned away.
    places: Arc<Semaphore>,
    published: Published,
}

/// What the engine keeps up to date for everybody to look at.
#[derive(Clone)]
pub(crate) struct Published {
    /// What `Effect::PublishStatus` said last.
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// Committed changes of keys and values by service version, from `Effect::KvChanged`.
    pub(crate) kv: Arc<Feed<KvChange>>,
    /// Committed lines of the cluster log, numbered as this process saw them, from `Effect::ClusterLog`.
    pub(crate) log: Arc<Feed<LogEntry>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// The engine has ended.
    #[error("the monitor is stopping")]
    Stopping,
    /// No quorum, most likely: the request waits for one.
    #[error("no answer in time; the monitor may have no quorum")]
    TimedOut,
    /// Too many requests wait already.
    #[error("too many requests wait for an answer; try again later")]
    Busy,
}

/// Requests that may wait at a time.
const WAITING_MAX: usize = 1024;
/// How long a request may wait for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

impl CoreHandle {
    /// Asks through `requests`.
    pub(crate) fn new(requests: Requests, published: Published) -> Self {
        Self { requests, places: Arc::new(Semaphore::new(WAITING_MAX)), published }
    }

    /// Runs a monitor command, with full rights.
    pub(crate) async fn command(
        &self,
        command: serde_json::Value,
        input: Bytes,
    ) -> Result<CommandReply, NoAnswer> {
        self.ask(AdminCommand::Monitor { command: command.to_string(), input }, ANSWER_WITHIN).await
    }

    /// Runs a command of the admin socket.
    pub(crate) async fn socket(
        &self,
        prefix: &str,
        arguments: BTreeMap<String, serde_json::Value>,
    ) -> Result<CommandReply, NoAnswer> {
        self.ask(AdminCommand::Socket { prefix: prefix.into(), arguments }, ANSWER_WITHIN).await
    }

    /// Whether the core takes events and answers within `patience`.
    pub(crate) async fn is_alive(&self, patience: Duration) -> bool {
        let command = AdminCommand::Socket { prefix: "mon_status".into(), arguments: BTreeMap::new() };
        self.ask(command, patience).await.is_ok()
    }

    /// What the core published.
    pub(crate) fn published(&self) -> &Published {
        &self.published
    }

    /// The status that the core published last.
    pub(crate) fn status(&self) -> Arc<Status> {
        self.published.status.borrow().clone()
    }

    async fn ask(&self, command: AdminCommand, patience: Duration) -> Result<CommandReply, NoAnswer> {
        let _place = self.places.try_acquire().map_err(|_| NoAnswer::Busy)?;
        match tokio::time::timeout(patience, self.requests.command(command)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(Stopping)) => Err(NoAnswer::Stopping),
            Err(_) => Err(NoAnswer::TimedOut),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Core;

    #[tokio::test]
    async fn an_answer_reaches_who_asked() {
        let core = Core::new().on("config-key get", 0, "there", "value");
        let reply =
            core.handle().command(serde_json::json!({"prefix": "config-key get"}), Bytes::new()).await;
        let reply = reply.unwrap();
        assert_eq!(
            (reply.code, reply.message.as_str(), reply.output.as_ref()),
            (0, "there", b"value".as_slice())
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_is_gone_or_silent_is_told_apart() {
        let (handle, receiver) = crate::testing::handle();
        assert_eq!(handle.socket("ops", BTreeMap::new()).await, Err(NoAnswer::TimedOut));
        drop(receiver);
        assert_eq!(handle.socket("ops", BTreeMap::new()).await, Err(NoAnswer::Stopping));
    }
}
