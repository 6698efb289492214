//! Which peers live, as far as connections, messages and silence tell.
//!
//! Everybody pings everybody once a second while connected (`MMonPing`, which stock peers answer and count in
//! their connection scores). What is known here only decides for whom an election waits; it is never a
//! reason to believe something about data.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::features::Features;

/// What is known of all peers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Liveness {
    peers: BTreeMap<AddrVec, Peer>,
    silence_max: Duration,
}

#[derive(Debug, Default, Clone, Copy)]
struct Peer {
    connected: bool,
    /// Its connection closed, or it refuses one.
    down: bool,
    heard: Option<Duration>,
    /// It closed its connection while it was talking: its process has ended.
    gone: bool,
    /// It was silent although it should have spoken (a leader, a peon).
    suspect: bool,
    /// Whether something waits in its session for a connection already.
    knocked: bool,
    /// It has shown the mark of our kind.
    ours: bool,
    /// What the session with it can do.
    features: Option<Features>,
}

impl Liveness {
    pub(crate) fn new(silence_max: Duration) -> Self {
        Self { peers: BTreeMap::new(), silence_max }
    }

    pub(crate) fn connected(&mut self, addrs: &AddrVec, now: Duration, features: Features) {
        let (ours, features) = (self.is_ours(addrs), Some(features));
        self.peers.insert(
            addrs.clone(),
            Peer { connected: true, heard: Some(now), ours, features, ..Peer::default() },
        );
    }

    /// Its connection closed or it cannot be reached. A connection that gives up after a silence looks the
    /// same; so only one that closes in the middle of things tells that the process has ended.
    pub(crate) fn down(&mut self, addrs: &AddrVec, now: Duration) {
        let talking = self.silence_max * 3 / 4;
        let peer = self.peers.entry(addrs.clone()).or_default();
        peer.gone |= peer.connected && peer.heard.is_some_and(|heard| now < heard + talking);
        peer.connected = false;
        peer.down = true;
        peer.knocked = false;
    }

    pub(crate) fn heard(&mut self, addrs: &AddrVec, now: Duration) {
        let peer = self.peers.entry(addrs.clone()).or_default();
        peer.heard = Some(now);
        peer.connected = true;
        peer.down = false;
        peer.gone = false;
        peer.suspect = false;
    }

    pub(crate) fn suspect(&mut self, addrs: &AddrVec) {
        self.peers.entry(addrs.clone()).or_default().suspect = true;
    }

    pub(crate) fn note_ours(&mut self, addrs: &AddrVec, ours: bool) {
        self.peers.entry(addrs.clone()).or_default().ours = ours;
    }

    pub(crate) fn is_ours(&self, addrs: &AddrVec) -> bool {
        self.peers.get(addrs).is_some_and(|peer| peer.ours)
    }

    pub(crate) fn is_connected(&self, addrs: &AddrVec) -> bool {
        self.peers.get(addrs).is_some_and(|peer| peer.connected && !peer.down)
    }

    /// Whether its process has ended since we last heard of it.
    pub(crate) fn is_gone(&self, addrs: &AddrVec) -> bool {
        self.peers.get(addrs).is_some_and(|peer| peer.gone)
    }

    /// Whether there is reason to believe that it is dead, paused or cut off.
    pub(crate) fn is_dead(&self, addrs: &AddrVec, now: Duration) -> bool {
        self.peers.get(addrs).is_some_and(|peer| {
            peer.down || peer.suspect || peer.heard.is_some_and(|heard| now >= heard + self.silence_max)
        })
    }

    /// The wire features that a peer and we both have, by its session.
    pub(crate) fn features(&self, addrs: &AddrVec) -> Option<Features> {
        self.peers.get(addrs).and_then(|peer| peer.features)
    }

    /// Whether a message to it may be queued: one is enough while there is no connection.
    pub(crate) fn may_knock(&mut self, addrs: &AddrVec) -> bool {
        let peer = self.peers.entry(addrs.clone()).or_default();
        peer.connected || !std::mem::replace(&mut peer.knocked, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_is_down_suspect_or_silent_but_not_unknown() {
        let (a, sec) = (AddrVec::msgr2("10.0.0.1:3300".parse().unwrap()), Duration::from_secs);
        let mut liveness = Liveness::new(sec(2));
        assert!(!liveness.is_dead(&a, sec(100)));
        liveness.heard(&a, sec(100));
        assert!(!liveness.is_dead(&a, sec(101)));
        assert!(liveness.is_dead(&a, sec(102)));
        liveness.connected(&a, sec(103), Features(1));
        liveness.suspect(&a);
        assert!(liveness.is_dead(&a, sec(103)));
        liveness.heard(&a, sec(103));
        assert!(!liveness.is_dead(&a, sec(103)));
        liveness.down(&a, sec(104));
        assert!(liveness.is_dead(&a, sec(104)) && liveness.is_gone(&a));
        liveness.connected(&a, sec(105), Features(1));
        assert!(!liveness.is_gone(&a));
        liveness.down(&a, sec(107));
        assert!(liveness.is_dead(&a, sec(107)) && !liveness.is_gone(&a), "that was a timeout");
        assert!(liveness.may_knock(&a) && !liveness.may_knock(&a));
    }
}
