//! Results of operations that carry an id, kept so that a retry gets the first one's instead of being done again.
//!
//! ```text
//! moncluster/op/<id>            i32 code | string message
//! moncluster/op_request/<id>    what was asked, as canonical text
//! moncluster/op_order/<number>  the id that was remembered as this one, for removing the oldest
//! moncluster/op_last            le64 the number of the newest
//! ```
//!
//! What was asked has a key of its own so that programs from before it was kept still read the results. A result of
//! theirs has none; it answers whatever comes under its id, and is never removed.

use std::collections::BTreeMap;

use bytes::Bytes;
use mon_types::encode::Encode;
use mon_types::kv::{KvRead, StoreError, Transaction};

use crate::effect::{CommandReply, Halt};
use crate::operation::{Command, Errno};
use crate::service::kv::OWN_PREFIX;
use crate::service::stored_optional;

/// How many results are kept, the newest; docs/http.md tells clients.
const KEPT: u64 = 1000;

/// The results that the next value will hold.
#[derive(Debug, Default)]
pub(super) struct Results {
    pending: BTreeMap<String, OpResult>,
    /// The ids of `pending` in the order in which they came.
    order: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OpResult {
    code: i32,
    message: String,
    /// None where it was not kept.
    request: Option<Bytes>,
}

impl Results {
    /// What a command under this id is answered with, if the id was used before: the first result, or that the id was
    /// for something else.
    pub(super) fn answer(
        &self,
        store: &dyn KvRead,
        id: &str,
        command: &Command,
    ) -> Result<Option<CommandReply>, Halt> {
        let known = match self.pending.get(id) {
            Some(result) => Some(result.clone()),
            None => read(store, id)?,
        };
        Ok(known.map(|OpResult { code, message, request }| match request {
            Some(first) if first != canonical(command) => {
                let first = String::from_utf8_lossy(&first);
                let text =
                    format!("the operation id '{id}' was used for another request, {first}: choose a new id");
                CommandReply::refused(Errno::EINVAL, text)
            }
            Some(_) | None => CommandReply { code, message, ..CommandReply::default() },
        }))
    }

    /// Remembers what a command under this id was answered with.
    pub(super) fn remember(&mut self, id: &str, command: &Command, reply: &CommandReply) {
        let request = Some(canonical(command));
        let result = OpResult { code: reply.code, message: reply.message.clone(), request };
        if self.pending.insert(id.into(), result).is_none() {
            self.order.push(id.into());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.pending.clear();
        self.order.clear();
    }

    /// Moves them into the value, which removes the oldest in their place.
    pub(super) fn encode(&mut self, store: &dyn KvRead, value: &mut Transaction) -> Result<(), StoreError> {
        if self.is_empty() {
            return Ok(());
        }
        let Self { mut pending, order } = std::mem::take(self);
        let before = store.read_u64(OWN_PREFIX, KEY_LAST)?.unwrap_or(0);
        let mut last = before;
        for id in &order {
            let Some(OpResult { code, message, request }) = pending.remove(id) else { continue };
            last += 1;
            value.put(OWN_PREFIX, result_key(id), (code, message).to_bytes());
            value.put(OWN_PREFIX, request_key(id), request.unwrap_or_default());
            value.put(OWN_PREFIX, order_key(last), id.clone().into_bytes());
            let Some(oldest) = last.checked_sub(KEPT).filter(|number| *number > 0) else { continue };
            // One that came in this very round is not in the store.
            let forgotten = match oldest.checked_sub(before + 1).and_then(|index| usize::try_from(index).ok())
            {
                Some(index) => order.get(index).cloned(),
                None => store
                    .read(OWN_PREFIX, &order_key(oldest))?
                    .map(|id| String::from_utf8_lossy(&id).into_owned()),
            };
            if let Some(id) = forgotten {
                value.erase(OWN_PREFIX, result_key(&id));
                value.erase(OWN_PREFIX, request_key(&id));
                value.erase(OWN_PREFIX, order_key(oldest));
            }
        }
        value.put_u64(OWN_PREFIX, KEY_LAST, last);
        Ok(())
    }
}

const KEY_LAST: &str = "op_last";

fn result_key(id: &str) -> String {
    format!("op/{id}")
}

fn request_key(id: &str) -> String {
    format!("op_request/{id}")
}

fn order_key(number: u64) -> String {
    format!("op_order/{number}")
}

fn read(store: &dyn KvRead, id: &str) -> Result<Option<OpResult>, Halt> {
    let result = stored_optional::<(i32, String)>(store, OWN_PREFIX, &result_key(id))?;
    let Some((code, message)) = result else { return Ok(None) };
    Ok(Some(OpResult { code, message, request: store.read(OWN_PREFIX, &request_key(id))? }))
}

/// The request in one spelling. A retry may be planned anew under a later epoch, and want another output format.
fn canonical(command: &Command) -> Bytes {
    let prefix = match command.prefix.as_str() {
        "mon remove" => "mon rm",
        prefix => prefix,
    };
    format!("{prefix} {}", command.arguments.canonical(&["operation_id", "expected_epoch"])).into()
}
