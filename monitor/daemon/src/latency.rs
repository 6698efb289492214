//! How long clients wait for answers to their commands, and values for being chosen, as the engine sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mon_core::event::{Event, SessionId};
use mon_types::id::Version;
use mon_types::message::{Envelope, Message};
use tokio::time::Instant;

use crate::http::metrics::Metrics;

/// Commands that wait for their answer, and the value that waits for being chosen.
pub(crate) struct Latencies {
    metrics: Arc<Metrics>,
    waiting: BTreeMap<(SessionId, u64), Instant>,
    /// What was committed before it, and since when it is proposed.
    proposal: Option<(Version, Instant)>,
}

/// More are not measured; without a quorum commands can wait for long.
const WAITING_MAX: usize = 4096;

impl Latencies {
    /// Measures into these metrics.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, waiting: BTreeMap::new(), proposal: None }
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

    /// Paxos is in this state (Ceph's word) with so much committed, after an event. Only leaders propose.
    pub(crate) fn paxos(&mut self, state: &str, last_committed: Version) {
        if let Some((before, since)) = self.proposal
            && last_committed > before
        {
            self.metrics.observe_commit(since.elapsed());
            self.proposal = None;
        }
        match state {
            "updating" | "updating-previous" => {
                self.proposal.get_or_insert_with(|| (last_committed, Instant::now()));
            }
            // A term that ended before a majority had the value: whether it is chosen is another's to say.
            _ => self.proposal = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        tokio::time::advance(Duration::from_millis(30)).await;
        latencies.said(SessionId(1), &ack(7));
        latencies.said(SessionId(1), &ack(7));
        latencies.heard(&Event::ClientClosed { session: SessionId(2) });
        assert!(latencies.waiting.is_empty());
        let text = metrics.render(&mon_core::status::Status::default());
        assert!(text.contains("moncluster_command_seconds_count 1\n"), "{text}");
        assert!(text.contains("moncluster_command_seconds_sum 0.03\n"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_measured_from_its_proposal_to_its_commit() {
        let metrics = Arc::new(Metrics::default());
        let mut latencies = Latencies::new(metrics.clone());
        let wait = |millis| tokio::time::advance(Duration::from_millis(millis));
        latencies.paxos("active", Version(4));
        latencies.paxos("updating", Version(4));
        wait(20).await;
        latencies.paxos("updating", Version(4));
        wait(20).await;
        latencies.paxos("refresh", Version(5));
        wait(500).await;
        // One is chosen and the next proposed within one event.
        latencies.paxos("updating", Version(5));
        wait(10).await;
        latencies.paxos("updating", Version(6));
        wait(30).await;
        latencies.paxos("refresh", Version(7));
        // Lost with its leader, and chosen by another.
        latencies.paxos("updating", Version(7));
        wait(700).await;
        latencies.paxos("shutdown", Version(7));
        latencies.paxos("active", Version(8));
        let text = metrics.render(&mon_core::status::Status::default());
        assert!(text.contains("moncluster_commit_seconds_count 3\n"), "{text}");
        assert!(text.contains("moncluster_commit_seconds_sum 0.08\n"), "{text}");
    }
}
