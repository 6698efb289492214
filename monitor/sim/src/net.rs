//! The network between machines. Sessions between monitors are lossless and keep order, as msgr2's are: what a cut
//! link stops is held and comes later, unless the session is made anew, which loses it and tells both ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mon_types::message::Envelope;

/// From one machine to another.
pub type Link = (usize, usize);

/// The state of all links and sessions.
#[derive(Debug, Default)]
pub struct Net {
    /// Where nothing passes now, with how many faults say so.
    cut: BTreeMap<Link, u32>,
    /// Extra delay of slow links.
    pub clogged: BTreeMap<Link, Duration>,
    /// Pairs (lower first) with a session.
    up: BTreeSet<Link>,
    /// Pairs for which a session is being made.
    pub connecting: BTreeSet<Link>,
    /// The session's number on each link: what was sent in an earlier one never arrives.
    number: BTreeMap<Link, u64>,
    /// When the last message on each link arrives: messages do not overtake each other.
    pub arrival: BTreeMap<Link, Duration>,
    /// What a cut holds, or waits for a session, in order.
    pub held: BTreeMap<Link, VecDeque<Envelope>>,
    /// Since when a cut holds something of a session that stands.
    pub stuck: BTreeMap<Link, Duration>,
}

/// Both directions of a pair.
#[must_use]
pub fn pair(a: usize, b: usize) -> Link {
    (a.min(b), a.max(b))
}

impl Net {
    /// Stops a link.
    pub fn cut(&mut self, link: Link) {
        *self.cut.entry(link).or_default() += 1;
    }

    /// Undoes one cut of a link; says whether it passes now.
    pub fn mend(&mut self, link: Link) -> bool {
        match self.cut.get_mut(&link) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            Some(_) => {
                self.cut.remove(&link);
                true
            }
            None => true,
        }
    }

    /// Undoes all cuts; returns the links that pass again.
    pub fn mend_all(&mut self) -> Vec<Link> {
        self.clogged.clear();
        std::mem::take(&mut self.cut).into_keys().collect()
    }

    /// Whether messages pass.
    #[must_use]
    pub fn passes(&self, link: Link) -> bool {
        !self.cut.contains_key(&link)
    }

    /// Whether messages pass both ways, without which no session can be made.
    #[must_use]
    pub fn is_whole(&self, a: usize, b: usize) -> bool {
        self.passes((a, b)) && self.passes((b, a))
    }

    /// Whether a session stands.
    #[must_use]
    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.up.contains(&pair(a, b))
    }

    /// The session's number on a link.
    #[must_use]
    pub fn number(&self, link: Link) -> u64 {
        self.number.get(&link).copied().unwrap_or(0)
    }

    /// A new session; what is under way in the old one never arrives.
    pub fn open(&mut self, a: usize, b: usize) {
        self.close(a, b);
        self.up.insert(pair(a, b));
    }

    /// Ends the session, if there is one, on both links.
    pub fn close(&mut self, a: usize, b: usize) -> bool {
        for link in [(a, b), (b, a)] {
            self.sever(link);
        }
        self.connecting.remove(&pair(a, b));
        self.up.remove(&pair(a, b))
    }

    /// What is under way on a link never arrives.
    pub fn sever(&mut self, link: Link) {
        *self.number.entry(link).or_default() += 1;
        self.held.remove(&link);
        self.stuck.remove(&link);
    }
}
