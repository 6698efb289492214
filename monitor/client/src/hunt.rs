//! Finding a monitor that takes us.

use std::net::SocketAddr;
use std::time::Duration;

use mon_cephx::client::ClientSession;
use rand::seq::SliceRandom;

use crate::error::LinkError;
use crate::link::Link;
use crate::target::Target;

/// What is known for the next attempt.
pub(crate) struct Hunt {
    target: Target,
    /// From the latest monmap, or from the target.
    monitors: Vec<SocketAddr>,
    /// The monitor that we had last: tried last now.
    left: Option<SocketAddr>,
    session: Option<ClientSession>,
    wait: Duration,
}

/// The wait between two rounds over all monitors, doubling from the first to the second.
const WAIT_MIN: Duration = Duration::from_millis(20);
const WAIT_MAX: Duration = Duration::from_millis(500);

impl Hunt {
    pub(crate) fn new(target: Target) -> Self {
        let monitors = target.monitors.clone();
        Self { target, monitors, left: None, session: None, wait: WAIT_MIN }
    }

    /// Takes the addresses of a new monmap.
    pub(crate) fn learn(&mut self, monitors: Vec<SocketAddr>) {
        if !monitors.is_empty() {
            self.monitors = monitors;
        }
    }

    /// Tries every monitor once, in random order, the one that was left last.
    pub(crate) async fn round(&mut self) -> Result<Link, LinkError> {
        let mut last = LinkError::NoMonitors;
        for monitor in self.order() {
            match Link::open(monitor, &self.target, self.session.as_ref()).await {
                Ok((link, session)) => {
                    self.session = Some(session);
                    self.left = Some(monitor);
                    self.wait = WAIT_MIN;
                    return Ok(link);
                }
                Err(error) => {
                    tracing::debug!(%monitor, %error, "monitor does not take us");
                    let is_final = error.is_final();
                    last = error;
                    if is_final {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    /// Waits a little before the next round.
    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WAIT_MAX);
    }

    fn order(&self) -> Vec<SocketAddr> {
        let mut order = self.monitors.clone();
        order.shuffle(&mut rand::rng());
        let first = self.target.first.and_then(|index| self.target.monitors.get(index));
        // Stable: keeps the random order within the three classes.
        order.sort_by_key(|monitor| match (self.left, first) {
            (Some(left), _) => u8::from(left == *monitor) * 2,
            (None, Some(first)) => u8::from(first != monitor),
            (None, None) => 0,
        });
        order
    }
}
