//! A session's outgoing messages: those not yet written, and those written but not yet acknowledged.

use std::collections::VecDeque;

use mon_types::message::RawMessage;

/// Bookkeeping bytes that each queued message is charged besides its payload.
const OVERHEAD: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Queue {
    unsent: VecDeque<(Option<u64>, RawMessage)>,
    unacked: VecDeque<(u64, RawMessage)>,
    seq_last: u64,
    bytes: usize,
}

impl Queue {
    pub(super) fn push(&mut self, message: RawMessage) {
        self.bytes += charge(&message);
        self.unsent.push_back((None, message));
    }

    /// Drops the oldest message that was never sent.
    pub(super) fn drop_oldest(&mut self) {
        if let Some((_, message)) = self.unsent.pop_front_if(|(seq, _)| seq.is_none()) {
            self.bytes -= charge(&message);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.unsent.len() + self.unacked.len()
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Takes the next message to write. Its number stays the same when it is sent again.
    pub(super) fn next(&mut self, keep: bool) -> Option<(u64, RawMessage)> {
        let (seq, message) = self.unsent.pop_front()?;
        let seq = seq.unwrap_or_else(|| {
            self.seq_last += 1;
            self.seq_last
        });
        if keep {
            self.unacked.push_back((seq, message.clone()));
        } else {
            self.bytes -= charge(&message);
        }
        Some((seq, message))
    }

    /// The peer has everything up to `seq`.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        while let Some((_, message)) = self.unacked.pop_front_if(|(s, _)| *s <= seq) {
            self.bytes -= charge(&message);
        }
    }

    /// The connection is gone: what was not acknowledged has to be sent again, in its old place.
    pub(super) fn requeue(&mut self) {
        while let Some((seq, message)) = self.unacked.pop_back() {
            self.unsent.push_front((Some(seq), message));
        }
    }

    /// After [`Self::requeue`], the peer tells what of it had arrived.
    pub(super) fn acknowledge_requeued(&mut self, seq: u64) {
        while let Some((_, message)) = self.unsent.pop_front_if(|(s, _)| s.is_some_and(|s| s <= seq)) {
            self.bytes -= charge(&message);
        }
    }

    /// The peer has forgotten the session: what was sent in it is void, what was not goes into the next.
    pub(super) fn forget_sent(&mut self) {
        self.requeue();
        self.acknowledge_requeued(u64::MAX);
        self.seq_last = 0;
    }
}

fn charge(message: &RawMessage) -> usize {
    OVERHEAD + message.payload_len()
}
