//! What a monitor has said to others that rests on its disk, and whether a disk still bears it out.

use bytes::Bytes;
use mon_types::kv::{KvRead, StoreError};
use mon_types::message::{ElectionOp, Envelope, Message, PaxosOp};

/// The words of one monitor. Whatever it is started on must not fall behind them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// The newest election epoch in which it stood, acknowledged or won.
    epoch: u64,
    /// The highest number that it promised to, and that it proposed under.
    promised: u64,
    proposed: u64,
    /// What it accepted last: version, number and value.
    accepted: Option<(u64, u64, Bytes)>,
    /// What it was asked: the number of the last collect, and the last begin.
    collect: u64,
    begin: Option<(u64, u64, Bytes)>,
}

impl Said {
    /// It takes a message in.
    pub(crate) fn heard(&mut self, message: &Envelope) {
        let Message::Paxos(m) = &message.message else { return };
        match (m.op, m.values.first_key_value()) {
            (PaxosOp::Collect, _) => self.collect = m.pn.0,
            (PaxosOp::Begin, Some((version, value))) => {
                self.begin = Some((version.0, m.pn.0, value.clone()));
            }
            _ => {}
        }
    }

    /// It lets a message go.
    pub(crate) fn says(&mut self, message: &Envelope) {
        match &message.message {
            Message::Election(m) => match m.op {
                ElectionOp::Propose | ElectionOp::Ack | ElectionOp::Victory => {
                    self.epoch = self.epoch.max(m.epoch.0.into());
                }
                ElectionOp::Nak => {}
            },
            Message::Paxos(m) => match m.op {
                PaxosOp::Collect | PaxosOp::Begin => self.proposed = self.proposed.max(m.pn.0),
                // A higher number than the one that was asked for is a refusal.
                PaxosOp::Last if m.pn.0 == self.collect => self.promised = self.promised.max(m.pn.0),
                PaxosOp::Accept => {
                    let of_this =
                        |begin: &&(u64, u64, Bytes)| (begin.0, begin.1) == (m.last_committed.0 + 1, m.pn.0);
                    let begin = self.begin.as_ref().filter(of_this);
                    self.accepted = begin.cloned().or_else(|| self.accepted.take());
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// Whether a store bears this out; the reason if it does not.
    pub(crate) fn is_borne_out(&self, store: &dyn KvRead) -> Result<(), String> {
        let number = |prefix, key: &str| number(store, prefix, key);
        let least = |what: &str, there: u64, said: u64| {
            if there < said { Err(format!("{what}: {said} was said, {there} is there")) } else { Ok(()) }
        };
        least("election epoch", number("monitor", "election_epoch")?, self.epoch)?;
        least("promise", number("paxos", "accepted_pn")?, self.promised)?;
        least("number that was used", number("paxos", "last_pn")?, self.proposed)?;
        let Some((version, pn, value)) = &self.accepted else { return Ok(()) };
        if number("paxos", "last_committed")? >= *version {
            return Ok(());
        }
        let half_synced = read(store, "mon_sync", "in_sync")?.is_some();
        if half_synced && number("mon_sync", "last_committed_floor")? >= *version {
            return Ok(());
        }
        let (prefix, keys) = match half_synced {
            true => ("mon_sync", ["accepted_v", "accepted_pn", "accepted_value"].map(str::to_owned)),
            false => ("paxos", ["pending_v".into(), "pending_pn".into(), version.to_string()]),
        };
        let there = (number(prefix, &keys[0])?, number(prefix, &keys[1])?, read(store, prefix, &keys[2])?);
        match there {
            (v, p, Some(held)) if v == *version && (p > *pn || p == *pn && held == *value) => Ok(()),
            (v, p, held) => Err(format!(
                "version {version} was accepted under {pn}; {v} under {p} is there, with {} bytes",
                held.map_or(0, |held| held.len())
            )),
        }
    }
}

/// What a store says of itself must make sense: every committed value is there, and of what a sync is to bring
/// back nothing is counted.
pub(crate) fn makes_sense(store: &dyn KvRead) -> Result<(), String> {
    let (first, last) =
        (number(store, "paxos", "first_committed")?, number(store, "paxos", "last_committed")?);
    if read(store, "mon_sync", "in_sync")?.is_some() {
        return match read(store, "mon_sync", "latest_monmap")? {
            Some(_) => Ok(()),
            None => Err("half synced, without the map to find the others by".into()),
        };
    }
    for version in first.max(1)..=last {
        if read(store, "paxos", &version.to_string())?.is_none() {
            return Err(format!("of {first}..={last} committed values {version} is missing"));
        }
    }
    Ok(())
}

pub(crate) fn number(store: &dyn KvRead, prefix: &str, key: &str) -> Result<u64, String> {
    Ok(store.read_u64(prefix, key).map_err(|error| error.to_string())?.unwrap_or(0))
}

fn read(store: &dyn KvRead, prefix: &str, key: &str) -> Result<Option<Bytes>, String> {
    store.read(prefix, key).map_err(|error: StoreError| error.to_string())
}
