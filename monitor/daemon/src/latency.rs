//! How long clients wait for answers to their commands, as the engine sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mon_core::event::{Event, SessionId};
use mon_types::message::{Envelope, Message};
use tokio::time::Instant;

use crate::http::metrics::Metrics;

/// Commands that wait for their answer.
pub(crate) struct Latencies {
    metrics: Arc<Metrics>,
    waiting: BTreeMap<(SessionId, u64), Instant>,
}

/// More are not measured; without a quorum commands can wait for long.
const WAITING_MAX: usize = 4096;

impl Latencies {
    /// Measures into these metrics.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, waiting: BTreeMap::new() }
    }

    /// An event is about to reach the core.
    pub(crate) fn heard(&mut self, event: &Event) {
        if let Event::ClientMessage { session, message: Envelope { tid, message: Message::MonCommand(_) } } =
            event
            && self.waiting.len() < WAITING_MAX
        {
            self.waiting.insert((*session, *tid), Instant::now());
        }
        if let Event::ClientClosed { session } = event {
            let of_session = self.waiting.range((*session, 0)..=(*session, u64::MAX));
            let ended: Vec<_> = of_session.map(|(key, _)| *key).collect();
            for key in ended {
                self.waiting.remove(&key);
            }
        }
    }

    /// A reply is about to leave.
    pub(crate) fn said(&mut self, session: SessionId, reply: &Envelope) {
        if let Envelope { tid, message: Message::MonCommandAck(_) } = reply
            && let Some(since) = self.waiting.remove(&(session, *tid))
        {
            self.metrics.observe_command(since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_measured_once_and_an_ended_session_is_forgotten() {
        let metrics = Arc::new(Metrics::default());
        let mut latencies = Latencies::new(metrics.clone());
        let command = |session, tid| Event::ClientMessage {
            session: SessionId(session),
            message: Envelope { tid, message: Message::MonCommand(Default::default()) },
        };
        let ack = |tid| Envelope { tid, message: Message::MonCommandAck(Default::default()) };
        latencies.heard(&command(1, 7));
        latencies.heard(&command(2, 7));
        tokio::time::advance(std::time::Duration::from_millis(30)).await;
        latencies.said(SessionId(1), &ack(7));
        latencies.said(SessionId(1), &ack(7));
        latencies.heard(&Event::ClientClosed { session: SessionId(2) });
        assert!(latencies.waiting.is_empty());
        let text = metrics.render(&mon_core::status::Status::default());
        assert!(text.contains("moncluster_command_seconds_count 1\n"), "{text}");
        assert!(text.contains("moncluster_command_seconds_sum 0.03\n"), "{text}");
    }
}
