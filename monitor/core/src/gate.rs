//! Holds back what must not leave before a write is persisted. The daemon and the simulator share it.
//!
//! The core tags sends and replies with the write they depend on. A gated message may be overtaken by a later
//! ungated one; the core's protocols allow for that, and gated messages keep their order among themselves.

use std::collections::VecDeque;

use crate::effect::{Effect, WriteId};

/// Messages that wait for writes.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    persisted: WriteId,
    waiting: VecDeque<(WriteId, Effect)>,
}

impl Gate {
    /// Returns the effect when it may go at once, and keeps it otherwise.
    #[must_use]
    pub fn admit(&mut self, effect: Effect) -> Option<Effect> {
        let after = match &effect {
            Effect::Send { after, .. } | Effect::Reply { after, .. } => *after,
            _ => None,
        };
        match after {
            Some(id) if id > self.persisted => {
                self.waiting.push_back((id, effect));
                None
            }
            _ => Some(effect),
        }
    }

    /// Notes that all writes up to `id` are persisted and returns what was waiting for them, in order.
    #[must_use]
    pub fn persisted(&mut self, id: WriteId) -> Vec<Effect> {
        self.persisted = self.persisted.max(id);
        let (ready, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|(after, _)| *after <= id);
        self.waiting = waiting;
        ready.into_iter().map(|(_, effect)| effect).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::event::SessionId;
    use mon_types::message::{Envelope, Message, RawMessage};

    use super::*;

    fn reply(session: u64, after: Option<u64>) -> Effect {
        Effect::Reply {
            session: SessionId(session),
            message: Envelope { tid: 0, message: Message::Unknown(RawMessage::default()) },
            after: after.map(WriteId),
        }
    }

    fn sessions(effects: &[Effect]) -> Vec<u64> {
        effects
            .iter()
            .map(|effect| match effect {
                Effect::Reply { session, .. } => session.0,
                other => panic!("unexpected {other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_reply_waits_for_its_write_and_no_other() {
        let mut gate = Gate::default();
        assert!(gate.admit(reply(1, Some(2))).is_none());
        assert!(gate.admit(reply(2, Some(1))).is_none());
        assert!(gate.admit(reply(3, None)).is_some());
        assert_eq!(sessions(&gate.persisted(WriteId(1))), [2]);
        assert_eq!(sessions(&gate.persisted(WriteId(2))), [1]);
        assert!(gate.admit(reply(4, Some(2))).is_some());
    }
}
