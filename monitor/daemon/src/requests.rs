//! Questions to the core from inside the process, and the tasks that wait for the answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mon_core::effect::CommandReply;
use mon_core::event::{AdminCommand, Event, RequestId};
use mon_types::id::GlobalId;
use tokio::sync::oneshot;

use crate::queue::{EventSender, Stopping};

/// Asks the core. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    events: EventSender,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    last: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    commands: HashMap<RequestId, oneshot::Sender<CommandReply>>,
    global_ids: HashMap<RequestId, oneshot::Sender<Option<GlobalId>>>,
}

impl Requests {
    /// Asks through this inbox.
    pub(crate) fn new(events: EventSender) -> Self {
        Self { events, shared: Arc::default() }
    }

    /// Runs a command with full rights and waits for its reply.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn command(&self, command: AdminCommand) -> Result<CommandReply, Stopping> {
        let (sender, receiver) = oneshot::channel();
        let place = self.place();
        let request = place.request;
        self.waiting(|waiting| waiting.commands.insert(request, sender));
        self.events.client(Event::Admin { request, command }).await?;
        receiver.await.map_err(|_| Stopping)
    }

    /// Asks for a new global id; none when there is none to give now.
    ///
    /// # Errors
    /// When the engine has ended.
    pub(crate) async fn global_id(&self) -> Result<Option<GlobalId>, Stopping> {
        let (sender, receiver) = oneshot::channel();
        let place = self.place();
        let request = place.request;
        self.waiting(|waiting| waiting.global_ids.insert(request, sender));
        self.events.client(Event::GlobalIdWanted { request }).await?;
        receiver.await.map_err(|_| Stopping)
    }

    /// Hands a command's reply to whoever waits; a waiter that has gone is no error.
    pub(crate) fn answer_command(&self, request: RequestId, reply: CommandReply) {
        if let Some(waiter) = self.waiting(|waiting| waiting.commands.remove(&request)) {
            let _gone = waiter.send(reply);
        }
    }

    /// Hands out a global id.
    pub(crate) fn answer_global_id(&self, request: RequestId, id: Option<GlobalId>) {
        if let Some(waiter) = self.waiting(|waiting| waiting.global_ids.remove(&request)) {
            let _gone = waiter.send(id);
        }
    }

    /// A new number, which is forgotten when its asker ends, answered or not.
    fn place(&self) -> Place<'_> {
        Place { requests: self, request: RequestId(self.shared.last.fetch_add(1, Ordering::Relaxed) + 1) }
    }

    fn waiting<T>(&self, access: impl FnOnce(&mut Waiting) -> T) -> T {
        // Insertions and removals leave the maps whole even if a holder panicked.
        access(&mut self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where an asker waits. An asker that gives up (its client went away, its time is up) leaves nothing behind.
struct Place<'a> {
    requests: &'a Requests,
    request: RequestId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.requests.waiting(|waiting| {
            waiting.commands.remove(&self.request);
            waiting.global_ids.remove(&self.request);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queue;

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_forgotten() {
        let (events, mut inbox) = queue::channel(4, 4);
        let requests = Requests::new(events);
        let command = || AdminCommand::Socket { prefix: "ops".into(), arguments: Default::default() };
        let patience = Duration::from_secs(1);
        assert!(tokio::time::timeout(patience, requests.command(command())).await.is_err());
        assert!(tokio::time::timeout(patience, requests.global_id()).await.is_err());
        let left = requests.waiting(|waiting| (waiting.commands.len(), waiting.global_ids.len()));
        assert_eq!(left, (0, 0));
        // The answer comes after all; nobody is there for it.
        let Some(Event::Admin { request, .. }) = inbox.next(None).await else { panic!() };
        requests.answer_command(request, CommandReply::default());
    }
}
