//! What an answer means to the guest that asked, and whether it may be given at all.

use mon_types::message::{MMonCommandAck, MMonGetVersionReply, Message};

use super::deed::Deed;
use super::{Asked, Guests};
use crate::history::{Action, Outcome};
use crate::invariant::book::Book;
use crate::node::name as node_name;
use crate::whole::{held, register, text};

/// Not permitted (`EACCES`).
const DENIED: i32 = -13;
/// There is no such entry (`ENOENT`).
const ABSENT: i32 = -2;
/// The state that was expected is not there (`ECANCELED`).
const DIFFERS: i32 = -125;

/// What an answer means for the history: nothing, where the question asked nothing of it.
pub type Meaning = Option<Outcome>;

impl Guests {
    /// Judges a command's answer as it leaves a process: what it says was done must have been chosen. `forwards_known`
    /// tells whether values name who had forwarded what they hold, as they do without stock monitors.
    ///
    /// # Errors
    /// What is wrong.
    pub fn judge_leaving(
        &self,
        guest: usize,
        tid: u64,
        ack: &MMonCommandAck,
        (node, forwards_known): (usize, bool),
        book: &Book,
    ) -> Result<(), String> {
        // It may have hung up, or moved on.
        let Some(asked) = self.list[guest].open.get(&tid) else { return Ok(()) };
        let Deed::Kv { key, action, .. } = &asked.deed else { return Ok(()) };
        let (Action::Write(value) | Action::Swap(_, value)) = action else { return Ok(()) };
        if ack.code != 0 {
            return Ok(());
        }
        // A later command in the same value may have overwritten it. Then the key was written since it was asked, in a
        // value that this process had a hand in.
        let name = register(*key);
        let (own, hand) = (text(*value), node_name(node));
        let written = book.kv.range(asked.kv_version + 1..).any(|(version, delta)| {
            let hands = book.hands.get(version);
            delta.get(&name).is_some_and(|written| {
                !forwards_known
                    || written.as_deref() == Some(own.as_bytes())
                    || hands.is_some_and(|hands| hands.contains(&hand))
            })
        });
        match written {
            true => Ok(()),
            false => Err(format!("'set {name} {}' is acknowledged, but not chosen", text(*value))),
        }
    }

    /// Takes a command's answer.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take_ack(
        &mut self,
        guest: usize,
        tid: u64,
        ack: &MMonCommandAck,
    ) -> Result<(Asked, Meaning), String> {
        let this = &mut self.list[guest];
        let Some(asked) = this.open.remove(&tid) else {
            return Err(format!("an answer to {tid}, which waits for none: {:?}", ack.cmd));
        };
        let Message::MonCommand(question) = &asked.message else {
            return Err(format!("a command's answer to {:?}", asked.deed));
        };
        if question.cmd != ack.cmd {
            return Err(format!("{:?} is answered with the answer to {:?}", question.cmd, ack.cmd));
        }
        self.answered += 1;
        let permitted = this.badge.permits(&asked.deed);
        if (ack.code == DENIED) == permitted {
            let badge = this.badge;
            return Err(format!("{badge:?} is told {} for {:?}: {}", ack.code, asked.deed, ack.message));
        }
        if !permitted {
            return Ok((asked, None));
        }
        let meaning = match &asked.deed {
            Deed::Kv { key, action, .. } => match (action, ack.code) {
                (Action::Read, 0) => {
                    let Some((value, revision)) = held(&ack.output) else {
                        return Err(format!("a register holds {:?}", ack.output));
                    };
                    this.seen.insert(*key, (value, revision));
                    Some(Outcome::Held(value))
                }
                (Action::Read, _) => None,
                (Action::Write(_) | Action::Remove, 0) => Some(Outcome::Written),
                (Action::Swap(expected, value), 0) => {
                    let answer: serde_json::Value = serde_json::from_slice(&ack.output).unwrap_or_default();
                    if let Some(revision) = answer["revision"].as_u64() {
                        this.seen.insert(*key, (Some(*value), revision));
                    }
                    Some(Outcome::Held(*expected))
                }
                (Action::Swap(..), DIFFERS) if !asked.again => {
                    this.seen.remove(key);
                    Some(Outcome::Differed)
                }
                (Action::Write(_) | Action::Remove | Action::Swap(..), _) => {
                    this.seen.remove(key);
                    Some(Outcome::Unknown)
                }
            },
            Deed::Get { .. } => match ack.code {
                0 => {
                    let number = std::str::from_utf8(&ack.output).ok().and_then(|text| text.parse().ok());
                    let Some(value) = number.map(crate::history::Value) else {
                        return Err(format!("a register holds {:?}", ack.output));
                    };
                    Some(Outcome::Held(Some(value)))
                }
                ABSENT => Some(Outcome::Held(None)),
                _ => None,
            },
            Deed::Key { entity } => {
                let key = String::from_utf8_lossy(&ack.output).trim().to_owned();
                if ack.code == 0 && *self.keys.entry(entity.clone()).or_insert_with(|| key.clone()) != key {
                    return Err(format!("{entity} is given a second key"));
                }
                None
            }
            Deed::Log | Deed::Learners | Deed::MapVersion | Deed::StepDown => None,
        };
        Ok((asked, meaning))
    }

    /// Takes an answer to "which epoch of the monmap is the newest".
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take_version(
        &mut self,
        guest: usize,
        reply: &MMonGetVersionReply,
        book: &Book,
    ) -> Result<(), String> {
        let this = &mut self.list[guest];
        let asks =
            |asked: &Asked| matches!(&asked.message, Message::MonGetVersion(m) if m.handle == reply.handle);
        let Some(tid) = this.open.iter().find(|(_, asked)| asks(asked)).map(|(tid, _)| *tid) else {
            return Err(format!("a version under handle {}, which waits for none", reply.handle));
        };
        let Some(asked) = this.open.remove(&tid) else { return Ok(()) };
        self.answered += 1;
        let version = reply.version.0;
        if version < asked.map_told || version > book.map_epoch() {
            let (told, last) = (asked.map_told, book.map_epoch());
            return Err(format!(
                "the monmap is at {version}, when {told} was known before and {last} is the last"
            ));
        }
        self.map_told = self.map_told.max(version);
        Ok(())
    }

    /// Takes the acknowledgement of log entries.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take_log_ack(&mut self, guest: usize, tid: u64, book: &Book) -> Result<(), String> {
        let this = &mut self.list[guest];
        let Some(asked) = this.open.remove(&tid) else {
            return Err(format!("log entries under {tid} are acknowledged, which wait for nothing"));
        };
        let Message::Log(log) = &asked.message else {
            return Err(format!("log entries are acknowledged to {:?}", asked.deed));
        };
        self.answered += 1;
        if !this.badge.permits(&asked.deed) {
            return Err(format!("{:?} writes to the cluster log", this.badge));
        }
        let is_chosen = |text: &str| book.log.values().rev().flatten().any(|entry| entry.message == text);
        match log.entries.iter().find(|entry| !is_chosen(&entry.message)) {
            None => Ok(()),
            Some(entry) => Err(format!("log entry '{}' is acknowledged, but not chosen", entry.message)),
        }
    }
}
