//! The key/value service, Ceph's `KVMonitor`: config keys, their deltas, `kv:` subscriptions.
//!
//! ```text
//! mon_config_key/<key>      the value
//! kv/N                      what version N changed; the last 50 are kept
//! moncluster/rev/<key>      le64 version that set the key | le32 crc32c of the value then
//! ```
//!
//! The revisions are ours. A stock leader does not maintain them, which the checksum gives away; such a key
//! shows a revision made from its content instead, so that compare-and-swap stays safe.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use bytes::Bytes;
use mon_types::id::Version;
use mon_types::kv::{KvRead, StoreError, Transaction};
use mon_types::kv_delta::KvDelta;
use mon_types::message::MKVData;
use serde_json::{Value, json};

use super::{Around, Kind, Preparing, Service, Versions, stored, stored_optional};
use crate::bug::{self, Bug};
use crate::command::format;
use crate::effect::{CommandReply, Effect, Effects, Halt, KvChange};
use crate::operation::{Command, Errno, Prepared};

/// Where config keys are stored.
const DATA_PREFIX: &str = "mon_config_key";
/// Where what Ceph lacks is stored.
pub(crate) const OWN_PREFIX: &str = "moncluster";

#[derive(Debug, Default)]
pub(crate) struct KvService {
    versions: Versions,
    loaded: bool,
    pending: BTreeMap<String, Option<Bytes>>,
    /// Keys of which somebody is told the revision that this round gives them.
    promised: BTreeSet<String>,
}

/// What the key revision of an untracked value is made of: beyond any version, exact in a JSON number.
const UNTRACKED: u64 = 1 << 52;

impl KvService {
    /// How it treats a command; none when it has no such command.
    pub(crate) fn kind(prefix: &str) -> Option<Kind> {
        Some(match prefix {
            "config-key get" | "config-key exists" | "config-key ls" | "config-key list"
            | "config-key dump" | "config-key stat" => Kind::Read,
            "config-key set" | "config-key put" | "config-key rm" | "config-key del" | "config-key cas" => {
                Kind::Write
            }
            _ => return None,
        })
    }

    pub(crate) fn version(&self) -> Version {
        self.versions.last
    }

    /// Whether a write must wait for the next round: a revision that was told to a swap must stay that of its value,
    /// and all writes of a round have the same.
    pub(crate) fn must_wait(&self, command: &Command) -> bool {
        Self::kind(&command.prefix) == Some(Kind::Write)
            && command.arguments.text("key").is_some_and(|key| self.promised.contains(key))
            && !bug::is_on(Bug::RevisionOfTwoValues)
    }

    pub(crate) fn query(&self, around: &Around<'_>, command: &Command) -> Result<CommandReply, Halt> {
        let key = command.arguments.text("key").unwrap_or_default();
        let form = command.arguments.format();
        let value = |key| around.store.read(DATA_PREFIX, key);
        Ok(match command.prefix.as_str() {
            "config-key get" => match value(key)? {
                Some(value) => CommandReply::output(value),
                None => CommandReply::refused(Errno::ENOENT, ""),
            },
            "config-key exists" => match value(key)? {
                Some(_) => CommandReply::done(format!("key '{key}' exists")),
                None => CommandReply::refused(Errno::ENOENT, format!("key '{key}' doesn't exist")),
            },
            "config-key stat" => {
                let value = value(key)?;
                let revision = revision(around.store, key, value.as_ref())?;
                let text = value.as_ref().and_then(|value| std::str::from_utf8(value).ok());
                let stat = json!({
                    "key": key,
                    "revision": revision,
                    "exists": value.is_some(),
                    "size": value.as_ref().map_or(0, Bytes::len),
                    "text": text,
                    "version": self.versions.last,
                });
                CommandReply::output(format::json(form, &stat))
            }
            "config-key dump" => {
                let mut all = serde_json::Map::new();
                each(around.store, key, &mut |key, value| {
                    all.insert(key.into(), shown(value));
                    ControlFlow::Continue(())
                })?;
                CommandReply::output(format::json(form, &Value::Object(all)))
            }
            _ => {
                let mut keys = Vec::new();
                each(around.store, "", &mut |key, _| {
                    keys.push(Value::from(key));
                    ControlFlow::Continue(())
                })?;
                CommandReply::output(format::json(form, &Value::Array(keys)))
            }
        })
    }

    pub(crate) fn prepare(&mut self, cx: &mut Preparing<'_>, command: &Command) -> Result<Prepared, Halt> {
        let key = command.arguments.text("key").unwrap_or_default();
        if key.is_empty() {
            return Ok(Prepared::unchanged(CommandReply::refused(Errno::EINVAL, "must specify a key")));
        }
        let given = command.arguments.text("val").map(|text| Bytes::copy_from_slice(text.as_bytes()));
        let size_max = cx.around.settings.kv_value_bytes_max;
        let value = given.clone().unwrap_or_else(|| command.input.clone());
        if value.len() > size_max {
            let text = format!("value of {} bytes is too long: the limit is {size_max}", value.len());
            return Ok(Prepared::unchanged(CommandReply::refused(Errno::EFBIG, text)));
        }
        match command.prefix.as_str() {
            "config-key rm" | "config-key del" => {
                let reply = CommandReply::done("key deleted");
                if self.current(cx.around.store, key)?.is_none() {
                    return Ok(Prepared::unchanged(reply));
                }
                self.pending.insert(key.into(), None);
                Ok(Prepared::changed(reply))
            }
            "config-key cas" => {
                let value = (given.is_some() || !command.input.is_empty()).then_some(value);
                self.swap(cx, key, command, value)
            }
            _ => {
                self.pending.insert(key.into(), Some(value));
                Ok(Prepared::changed(CommandReply::done(format!("set {key}"))))
            }
        }
    }

    /// Sets (or with no value removes) a key whose revision is the expected one.
    fn swap(
        &mut self,
        cx: &Preparing<'_>,
        key: &str,
        command: &Command,
        value: Option<Bytes>,
    ) -> Result<Prepared, Halt> {
        let expected = command.arguments.int("expected_version").unwrap_or(0);
        let next = self.versions.last.next();
        let pending = self.pending.get(key).filter(|_| !bug::is_on(Bug::SwapIgnoresPending));
        let actual = match pending {
            Some(Some(_)) => next.0,
            Some(None) => 0,
            None => {
                let value = cx.around.store.read(DATA_PREFIX, key)?;
                revision(cx.around.store, key, value.as_ref())?
            }
        };
        let form = command.arguments.format();
        let outcome = |revision: u64, swapped: bool| {
            format::json(form, &json!({"key": key, "revision": revision, "swapped": swapped}))
        };
        if u64::try_from(expected) != Ok(actual) {
            let text = format!("key '{key}' is at revision {actual}, not {expected}: read it again");
            let mut reply = CommandReply::refused(Errno::ECANCELED, text);
            reply.output = outcome(actual, false);
            return Ok(Prepared::unchanged(reply));
        }
        let revision = if value.is_some() { next.0 } else { 0 };
        self.promised.insert(key.into());
        self.pending.insert(key.into(), value);
        Ok(Prepared::changed(CommandReply::output(outcome(revision, true))))
    }

    /// The value that operations of this round see.
    fn current(&self, store: &dyn KvRead, key: &str) -> Result<Option<Bytes>, StoreError> {
        match self.pending.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => store.read(DATA_PREFIX, key),
        }
    }

    /// What a `kv:PREFIX` subscriber who has everything before `next` must be sent; empty when nothing.
    pub(crate) fn updates(
        &self,
        store: &dyn KvRead,
        prefix: &str,
        next: Version,
    ) -> Result<Vec<MKVData>, Halt> {
        let last = self.versions.last;
        if last.0 == 0 || next > last {
            return Ok(Vec::new());
        }
        if next.0 == 0 || next < self.versions.first {
            let mut data = BTreeMap::new();
            each(store, prefix, &mut |key, value| {
                data.insert(key.to_owned(), Some(value.clone()));
                ControlFlow::Continue(())
            })?;
            return Ok(vec![MKVData { version: last, prefix: prefix.into(), incremental: false, data }]);
        }
        let mut updates = Vec::new();
        for version in next.0..=last.0 {
            let delta: KvDelta = stored(store, Self::PREFIX, &version.to_string())?;
            let data: BTreeMap<_, _> =
                delta.0.into_iter().filter(|(key, _)| key.starts_with(prefix)).collect();
            if !data.is_empty() {
                let version = Version(version);
                updates.push(MKVData { version, prefix: prefix.into(), incremental: true, data });
            }
        }
        Ok(updates)
    }
}

impl Service for KvService {
    const PREFIX: &'static str = "kv";

    fn refresh(&mut self, store: &dyn KvRead, out: &mut Effects) -> Result<bool, Halt> {
        let versions = Versions::read(store, Self::PREFIX)?;
        if versions == self.versions && self.loaded {
            return Ok(false);
        }
        let seen = self.versions.last;
        let gapless = self.loaded && seen.next() >= versions.first && seen <= versions.last;
        if gapless {
            let mut changes = Vec::new();
            for version in seen.0 + 1..=versions.last.0 {
                let delta: Option<KvDelta> = stored_optional(store, Self::PREFIX, &version.to_string())?;
                for (key, value) in delta.unwrap_or_default().0 {
                    changes.push(KvChange { version: Version(version), key, value });
                }
            }
            if !changes.is_empty() {
                out.push(Effect::KvChanged(changes));
            }
        }
        self.versions = versions;
        self.loaded = true;
        Ok(true)
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty() || self.versions.last.0 == 0
    }

    fn encode_pending(&mut self, _around: &Around<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let mut pending = std::mem::take(&mut self.pending);
        self.promised.clear();
        if pending.len() > 1 && bug::is_on(Bug::BatchDropsLast) {
            pending.pop_last();
        }
        let version = self.versions.advance(Self::PREFIX, value, DELTAS_KEPT, DELTAS_SLACK);
        for (key, change) in &pending {
            match change {
                Some(bytes) => {
                    value.put(DATA_PREFIX, key.clone(), bytes.clone());
                    let record =
                        [&version.0.to_le_bytes()[..], &crc32c::crc32c(bytes).to_le_bytes()].concat();
                    value.put(OWN_PREFIX, revision_key(key), record);
                }
                None => {
                    value.erase(DATA_PREFIX, key.clone());
                    value.erase(OWN_PREFIX, revision_key(key));
                }
            }
        }
        if bug::is_on(Bug::RemovalNotTold) {
            pending.retain(|_, change| change.is_some());
        }
        value.put_version(Self::PREFIX, version, mon_types::encode::Encode::to_bytes(&KvDelta(pending)));
        Ok(())
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.promised.clear();
    }
}

fn revision_key(key: &str) -> String {
    format!("rev/{key}")
}

/// The revision of a key with this value; 0 when there is none.
fn revision(store: &dyn KvRead, key: &str, value: Option<&Bytes>) -> Result<u64, StoreError> {
    let Some(value) = value else { return Ok(0) };
    let checksum = crc32c::crc32c(value);
    if let Some(record) = store.read(OWN_PREFIX, &revision_key(key))?
        && let Some((version, rest)) = record.split_first_chunk::<8>()
        && rest == checksum.to_le_bytes()
    {
        return Ok(u64::from_le_bytes(*version));
    }
    Ok(UNTRACKED | u64::from(checksum))
}

/// Visits all keys that start with a prefix, in order.
fn each(
    store: &dyn KvRead,
    prefix: &str,
    visit: &mut dyn FnMut(&str, &Bytes) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut start = prefix.to_owned();
    loop {
        let batch = store.scan(DATA_PREFIX, &start, SCAN_BATCH)?;
        let full = batch.len() == SCAN_BATCH;
        for (key, value) in &batch {
            if !key.starts_with(prefix) || visit(key, value).is_break() {
                return Ok(());
            }
        }
        match batch.last() {
            // The next key in order is the same with a zero byte behind it.
            Some((key, _)) if full => start = format!("{key}\0"),
            _ => return Ok(()),
        }
    }
}

/// A value as `config-key dump` shows it: as text where it is text.
fn shown(value: &Bytes) -> Value {
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\t' | '\r');
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().all(printable) => text.into(),
        _ => format!("<<< binary blob of length {} >>>", value.len()).into(),
    }
}

/// How many deltas are kept, for subscribers that were away (`KVMonitor`: 50).
const DELTAS_KEPT: u64 = 50;
/// How many more may gather before they are removed together.
const DELTAS_SLACK: u64 = 25;
const SCAN_BATCH: usize = 256;
