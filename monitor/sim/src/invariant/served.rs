//! Who may not speak for the cluster does not: a half-synced store, and a process without a quorum, serve nothing
//! that is agreed on.

use mon_types::message::{Envelope, Message};

use super::{Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Served;

impl Invariant for Served {
    fn name(&self) -> &'static str {
        "served"
    }

    fn replied(&mut self, at: &Subject<'_>, message: &Envelope) -> Finding {
        let what = match &message.message {
            // Refusals need no state.
            Message::MonCommandAck(ack) if ack.code == 0 => "the result of a command",
            Message::KvData(_) => "config keys",
            Message::Log(_) => "log entries",
            Message::MonGetVersionReply(_) => "a version",
            _ => return Ok(()),
        };
        match at.disk().seen.in_sync {
            true => Err(format!("serves {what} from a half-synced store")),
            false => Ok(()),
        }
    }
}
