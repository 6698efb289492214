//! Subscriptions: what clients want to be told as it changes.
//!
//! Names that belong to services which are not here (`osdmap`, `mgrmap`, `fsmap` ...) are remembered and stay
//! unanswered, as at a stock monitor whose map has nothing new.

use std::collections::BTreeMap;

use mon_types::caps::Access;
use mon_types::features::Features;
use mon_types::id::Version;
use mon_types::log::Priority;
use mon_types::message::{MKVData, MMonSubscribe, MMonSubscribeAck, Message};

use super::dispatch::{may, may_run};
use super::{Changes, Services};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::Halt;
use crate::event::SessionId;
use crate::operation::Requester;
use crate::service::config;
use crate::session::Subscription;

/// Seconds that a subscription of a client without stateful ones lasts (`mon_subscribe_interval`).
const INTERVAL_SECS: u32 = 86_400;
/// Subscriptions that a session may have.
const SUBSCRIPTIONS_MAX: usize = 64;

impl Services {
    pub(super) fn subscribe(
        &mut self,
        cx: &mut Cx<'_>,
        id: SessionId,
        subscribe: &MMonSubscribe,
    ) -> Result<(), Halt> {
        let Some(session) = self.sessions.find_mut(id) else { return Ok(()) };
        if !subscribe.hostname.is_empty() {
            session.hostname.clone_from(&subscribe.hostname);
        }
        let mut allowed = Vec::new();
        for (name, item) in &subscribe.what {
            let full = session.subscriptions.len() >= SUBSCRIPTIONS_MAX;
            if is_allowed(&session.requester, name) && (!full || session.subscriptions.contains_key(name)) {
                let mut wanted = Subscription { next: item.start, onetime: item.is_onetime() };
                if bug::is_on(Bug::SubscriptionGap) && item.start.0 > 0 && name.starts_with("kv:") {
                    wanted.next = self.kv.version().next();
                }
                session.subscriptions.insert(name.clone(), wanted);
                allowed.push(name.clone());
            }
        }
        if !Features(session.requester.features).contains(Features::MON_STATEFUL_SUB) {
            let ack = MMonSubscribeAck { interval: INTERVAL_SECS, fsid: self.identity.fsid };
            cx.out.reply(id, ack, None);
        }
        for name in allowed {
            self.update_subscriber(cx, id, &name)?;
        }
        Ok(())
    }

    /// Sends every subscriber what it does not have yet.
    pub(super) fn notify_subscribers(&mut self, cx: &mut Cx<'_>, changes: Changes) -> Result<(), Halt> {
        let touched = |name: &str| match name {
            "monmap" => changes.monmap,
            _ if name.starts_with("kv:") => changes.kv,
            _ if name.starts_with("log-") => changes.log,
            _ => false,
        };
        let due: Vec<(SessionId, String)> = self
            .sessions
            .iter()
            .flat_map(|(id, session)| session.subscriptions.iter().map(move |(name, sub)| (id, name, sub)))
            .filter(|(_, name, _)| touched(name))
            .filter(|(_, name, sub)| self.version_of(name).is_some_and(|version| sub.next <= version))
            .map(|(id, name, _)| (id, name.clone()))
            .collect();
        for (id, name) in due {
            self.update_subscriber(cx, id, &name)?;
        }
        Ok(())
    }

    /// The newest version of what a name stands for; none where nothing is ever sent.
    fn version_of(&self, name: &str) -> Option<Version> {
        match name {
            "monmap" => Some(Version(self.monmap().epoch.0.into())).filter(|epoch| epoch.0 > 0),
            "config" => Some(CONFIG_VERSION),
            _ if name.starts_with("kv:") => Some(self.kv.version()).filter(|version| version.0 > 0),
            _ if name.starts_with("log-") => Some(self.log.version()),
            _ => None,
        }
    }

    fn update_subscriber(&mut self, cx: &mut Cx<'_>, id: SessionId, name: &str) -> Result<(), Halt> {
        let wanted = self.sessions.find(id).and_then(|session| session.subscriptions.get(name).copied());
        let (Some(wanted), Some(version)) = (wanted, self.version_of(name)) else { return Ok(()) };
        // Without a quorum the store may be half of a sync; the map is told from memory, to find others by.
        let speaks_for_cluster = self.quorum.is_some() || name == "monmap" || name == "config";
        let speaks_for_cluster = speaks_for_cluster || bug::is_on(Bug::HalfSyncedServed);
        if wanted.next > version || !speaks_for_cluster {
            return Ok(());
        }
        let messages: Vec<Message> = if name == "monmap" {
            self.monmap.update(wanted.next).into_iter().collect()
        } else if name == "config" {
            vec![config::update()]
        } else if let Some(prefix) = name.strip_prefix("kv:") {
            let mut updates = self.kv.updates(cx.store, prefix, wanted.next)?;
            if let Some(session) = self.sessions.find(id) {
                updates.retain_mut(|update| show_permitted(&session.requester, update));
            }
            updates.into_iter().map(Message::from).collect()
        } else {
            let level = name.strip_prefix("log-").and_then(Priority::from_word).unwrap_or(Priority::ERROR);
            self.log.update(cx.store, self.identity.fsid, level, wanted.next)?.into_iter().collect()
        };
        let sent = !messages.is_empty();
        for message in messages {
            cx.out.reply(id, message.with_tid(0), None);
        }
        if let Some(session) = self.sessions.find_mut(id) {
            if wanted.onetime && sent && !bug::is_on(Bug::OneTimeGoesOn) {
                session.subscriptions.remove(name);
            } else {
                let next = if bug::is_on(Bug::SubscriptionRepeats) { version } else { version.next() };
                let next = Subscription { next, onetime: wanted.onetime };
                session.subscriptions.insert(name.into(), next);
            }
        }
        Ok(())
    }
}

/// Options never change while there is no configuration database: one answer serves for good.
const CONFIG_VERSION: Version = Version(0);

/// Leaves of an update what `config-key get` would show; says whether that is worth telling. Caps that allow one key
/// say nothing of the others that it is a prefix of.
fn show_permitted(requester: &Requester, update: &mut MKVData) -> bool {
    update.data.retain(|key, _| may_get(requester, key) || bug::is_on(Bug::SubscriptionIgnoresCaps));
    !update.incremental || !update.data.is_empty()
}

fn may_get(requester: &Requester, key: &str) -> bool {
    let args = BTreeMap::from([("key".to_owned(), key.to_owned())]);
    may_run(requester, "config-key", "config-key get", &args, Access::READ)
}

/// What a name asks of the subscriber's caps. `kv:` shows what `config-key get` would, so it asks the same.
fn is_allowed(requester: &Requester, name: &str) -> bool {
    match name {
        "config" | "monmap" => true,
        _ if name.starts_with("log-") => {
            name.strip_prefix("log-").and_then(Priority::from_word).is_some()
                && may(requester, "log", Access::READ)
        }
        _ => match name.strip_prefix("kv:") {
            Some(prefix) => may_get(requester, prefix),
            None => may(requester, "mon", Access::READ),
        },
    }
}
