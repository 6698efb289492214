//! What guests ask for, and how they choose.

use bytes::Bytes;
use mon_types::entity::EntityInstanceName;
use mon_types::log::{LogEntry, Priority};
use mon_types::message::{MLog, MMonCommand, MMonGetVersion, Message};
use mon_types::time::UTime;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

use super::Guest;
use crate::history::{Action, Key, Value};
use crate::node::fsid;
use crate::whole::{kv_command, register};

/// A thing to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// An operation on a register; a swap expects it at this revision.
    Kv {
        /// Which.
        key: Key,
        /// What.
        action: Action,
        /// The revision that a swap expects.
        revision: u64,
    },
    /// To read a register without its revision.
    Get {
        /// Which.
        key: Key,
    },
    /// To add an entry to the cluster log.
    Log,
    /// To change the learners, in this epoch only if one is given.
    Learners,
    /// To have a key made for an entity, or be told the one that it has.
    Key {
        /// The entity.
        entity: String,
    },
    /// The newest epoch of the monmap.
    MapVersion,
    /// The leader should hand over.
    StepDown,
}

impl Deed {
    /// Whether asking again under the same numbers is safe whatever became of it the first time.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        match self {
            // A revision is never there twice; that a register is empty may be.
            Self::Kv { action: Action::Swap(..), revision, .. } => *revision > 0,
            Self::Kv { action: Action::Read, .. }
            | Self::Get { .. }
            | Self::Log
            | Self::Learners
            | Self::Key { .. }
            | Self::MapVersion => true,
            Self::Kv { action: Action::Write(_) | Action::Remove, .. } | Self::StepDown => false,
        }
    }

    /// The operation on a register that it is.
    #[must_use]
    pub fn on_register(&self) -> Option<(Key, Action)> {
        match self {
            Self::Kv { key, action, .. } => Some((*key, *action)),
            Self::Get { key } => Some((*key, Action::Read)),
            Self::Log | Self::Learners | Self::Key { .. } | Self::MapVersion | Self::StepDown => None,
        }
    }
}

/// What a guest asks for next by a `ticket` of hundred, and as what message; `value` was never written before.
pub fn choose(
    guest: &mut Guest,
    ticket: u32,
    keys: u64,
    value: Value,
    map_epoch: u64,
    rng: &mut ChaCha8Rng,
) -> (Deed, Message) {
    let key = Key(rng.random_range(0..keys));
    match ticket {
        0..22 => kv(key, Action::Write(value), 0),
        22..36 => match guest.seen.get(&key) {
            Some((held, revision)) => kv(key, Action::Swap(*held, value), *revision),
            None => kv(key, Action::Read, 0),
        },
        36..40 => kv(key, Action::Remove, 0),
        40..58 => kv(key, Action::Read, 0),
        58..66 => (Deed::Get { key }, command(&json!({"prefix": "config-key get", "key": register(key)}))),
        66..76 => {
            guest.logged += 1;
            (Deed::Log, log(guest, value))
        }
        76..88 => learners(value, map_epoch, rng),
        88..93 => {
            let entity = format!("client.user{}", rng.random_range(0..3));
            let ask = json!({
                "prefix": "auth get-or-create-key", "entity": entity, "caps": ["mon", "allow r"],
            });
            (Deed::Key { entity }, command(&ask))
        }
        93..99 => {
            let handle = value.0;
            (Deed::MapVersion, MMonGetVersion { handle, what: "monmap".into() }.into())
        }
        _ => (Deed::StepDown, command(&json!({"prefix": "mon step-down"}))),
    }
}

fn kv(key: Key, action: Action, revision: u64) -> (Deed, Message) {
    (Deed::Kv { key, action, revision }, command(&kv_command(key, action, revision)))
}

/// A learner that never runs comes or goes, perhaps only if nothing has changed, perhaps already too late.
fn learners(value: Value, map_epoch: u64, rng: &mut ChaCha8Rng) -> (Deed, Message) {
    let ghost = rng.random_range(0..2);
    let mut ask = match rng.random_bool(0.5) {
        true => json!({
            "prefix": "mon learner add", "name": format!("ghost{ghost}"),
            "addr": format!("v2:10.9.0.{}:3300/0", ghost + 1),
        }),
        false => json!({"prefix": "mon learner rm", "name": format!("ghost{ghost}")}),
    };
    let expected = match rng.random_range(0..3) {
        0 => None,
        1 => Some(map_epoch),
        _ => Some(map_epoch.saturating_sub(1)),
    };
    let mut id = format!("guest{}", value.0);
    if let Some(expected) = expected {
        id = format!("{id}-e{expected}");
        ask["expected_epoch"] = Json::from(expected);
    }
    ask["operation_id"] = Json::from(id);
    (Deed::Learners, command(&ask))
}

fn log(guest: &Guest, value: Value) -> Message {
    let entry = LogEntry {
        name: guest.entity(),
        rank: EntityInstanceName { kind: guest.entity().kind as u8, number: guest.number as i64 + 5_000 },
        addrs: guest.info().addrs,
        stamp: UTime::from_duration(std::time::Duration::from_secs(1_790_000_000 + value.0)),
        seq: guest.logged,
        priority: Priority::INFO,
        message: format!("guest {} says {}", guest.number, value.0),
        channel: "cluster".into(),
        tail: Default::default(),
    };
    MLog { fsid: fsid(), entries: vec![entry], ..MLog::default() }.into()
}

fn command(ask: &Json) -> Message {
    MMonCommand { fsid: fsid(), cmd: vec![ask.to_string()], input: Bytes::new(), ..Default::default() }.into()
}
