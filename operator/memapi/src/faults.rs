//! What goes wrong between an operator and the cluster, and where the operator dies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::Random;

/// How often what goes wrong, in percent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Calls that are refused with 409, 429 or 500, or do not arrive.
    pub errors: u64,
    /// Calls that are carried out and whose answer is lost.
    pub lost_answers: u64,
    /// Watches come late by up to this.
    pub watch_delay_max: Duration,
    /// Watch events that come twice.
    pub duplicates: u64,
    /// Watch events that do not come; the watch breaks some time later.
    pub gaps: u64,
    /// Requests to monitors that fail, before or after they are carried out.
    pub monitor_errors: u64,
}

/// On which side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It is not made.
    Before,
    /// It is made, and its answer not looked at.
    After,
}

/// Where the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// The number of the call, from 0. Watches are not counted.
    pub call: u64,
    /// On which side of it.
    pub side: Side,
}

/// What one operator's calls pass through.
#[derive(Debug, Clone)]
pub struct Gate {
    inner: Arc<Mutex<Inner>>,
    dead: watch::Sender<bool>,
}

#[derive(Debug)]
struct Inner {
    calls: u64,
    faults: Faults,
    crash: Option<Crash>,
    random: Random,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Done,
    /// With this status.
    Refused(u16),
    NotSent,
    AnswerLost,
    DiesBefore,
    DiesAfter,
}

/// What becomes of a watch event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Once,
    Twice,
    Never,
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self::new(0, Faults::default(), None)
    }

    pub(crate) fn new(seed: u64, faults: Faults, crash: Option<Crash>) -> Self {
        let inner = Inner { calls: 0, faults, crash, random: Random::new(seed) };
        Self { inner: Arc::new(Mutex::new(inner)), dead: watch::Sender::new(false) }
    }

    /// How many calls have been made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.lock().unwrap().calls
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        self.inner.lock().unwrap().faults = Faults::default();
    }

    /// Ends when the operator is to die.
    pub async fn died(&self) {
        let mut dead = self.dead.subscribe();
        // The sender is ours, so it does not go away.
        let _ = dead.wait_for(|dead| *dead).await;
    }

    /// The operator is dead: whoever asks gets no answer any more.
    pub(crate) async fn die(&self) -> ! {
        self.dead.send_replace(true);
        std::future::pending().await
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    pub(crate) fn api_call(&self) -> Fate {
        let mut inner = self.inner.lock().unwrap();
        let faults = inner.faults;
        inner.fate(faults.errors, faults.lost_answers)
    }

    pub(crate) fn monitor_call(&self) -> Fate {
        let mut inner = self.inner.lock().unwrap();
        let errors = inner.faults.monitor_errors;
        match inner.fate(errors / 2, errors / 2) {
            Fate::Refused(_) => Fate::Refused(503),
            fate => fate,
        }
    }

    /// How late a watch is.
    pub(crate) fn watch_delay(&self) -> Duration {
        let mut inner = self.inner.lock().unwrap();
        match inner.faults.watch_delay_max.as_millis() as u64 {
            0 => Duration::ZERO,
            max => Duration::from_millis(inner.random.below(max)),
        }
    }

    pub(crate) fn delivery(&self) -> Delivery {
        let mut inner = self.inner.lock().unwrap();
        let Faults { duplicates, gaps, .. } = inner.faults;
        match inner.random.below(100) {
            number if number < gaps => Delivery::Never,
            number if number < gaps + duplicates => Delivery::Twice,
            _ => Delivery::Once,
        }
    }

    /// Until a watch with a gap breaks.
    pub(crate) fn gap(&self) -> Duration {
        Duration::from_secs(1 + self.inner.lock().unwrap().random.below(20))
    }
}

impl Inner {
    fn fate(&mut self, errors: u64, lost: u64) -> Fate {
        let call = self.calls;
        self.calls += 1;
        match self.crash {
            Some(Crash { call: at, side: Side::Before }) if at == call => return Fate::DiesBefore,
            Some(Crash { call: at, side: Side::After }) if at == call => return Fate::DiesAfter,
            _ => {}
        }
        match self.random.below(100) {
            number if number < errors => match self.random.below(4) {
                0 => Fate::Refused(409),
                1 => Fate::Refused(429),
                2 => Fate::Refused(500),
                _ => Fate::NotSent,
            },
            number if number < errors + lost => Fate::AnswerLost,
            _ => Fate::Done,
        }
    }
}
