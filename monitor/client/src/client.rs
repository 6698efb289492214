//! The handle that callers have, and the task behind it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use mon_types::encode::Decode;
use mon_types::id::{Fsid, Version};
use mon_types::message::{
    Envelope, MCommand, MMonCommand, MMonSubscribe, Message, PaxosServiceMessage, SubscribeItem,
};
use mon_types::monmap::MonMap;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{ClientError, LinkError};
use crate::hunt::Hunt;
use crate::link::Link;
use crate::target::Target;

/// A client of a cluster. Clones share one session; it ends with the last of them.
#[derive(Debug, Clone)]
pub struct Client {
    requests: mpsc::UnboundedSender<Request>,
    monitor: watch::Receiver<Option<SocketAddr>>,
    monmap: watch::Receiver<Option<MonMap>>,
}

/// What a command returned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandReply {
    /// 0, or a negative errno.
    pub code: i32,
    /// One line for people.
    pub message: String,
    /// The output.
    pub output: Bytes,
}

type Answer = oneshot::Sender<Result<CommandReply, ClientError>>;

/// An order to the task.
enum Request {
    /// Sent to the quorum until answered.
    Command { command: String, input: Bytes, answer: Answer },
    /// Sent to the monitor that we have.
    Tell { command: String, input: Bytes, answer: Answer },
    /// Kept up until the receiver is dropped.
    Subscribe { what: BTreeMap<String, SubscribeItem>, messages: mpsc::UnboundedSender<Message> },
}

impl Client {
    /// Hunts for a monitor and opens a session with it.
    ///
    /// # Errors
    /// When the monitors refuse us, or none is found within [`Target::open_timeout`].
    pub async fn open(target: Target) -> Result<Self, ClientError> {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (monitor_out, monitor) = watch::channel(None);
        let (monmap_out, monmap) = watch::channel(None);
        let waited = target.open_timeout;
        let monitors = target.monitors.clone();
        let mut task = Task {
            fsid: target.fsid,
            resend: target.resend,
            hunt: Hunt::new(target),
            inbox,
            monitor: monitor_out,
            monmap: monmap_out,
            pending: BTreeMap::new(),
            subscribers: Vec::new(),
            what: BTreeMap::new(),
            last_tid: 0,
        };
        let started = Instant::now();
        let link = loop {
            match task.connect().await {
                Ok(link) => break link,
                Err(error) if error.is_final() => return Err(ClientError::Refused(error)),
                Err(last) if started.elapsed() >= waited => {
                    return Err(ClientError::Unreachable { monitors, waited, last: Box::new(last) });
                }
                Err(_) => task.hunt.pause().await,
            }
        };
        tokio::spawn(task.run(link));
        Ok(Self { requests, monitor, monmap })
    }

    /// Runs a command: JSON text with a `prefix`, as `ceph` sends it, and what `-i FILE` would carry.
    /// Waits for as long as it takes; put a timeout around it where that matters.
    ///
    /// # Errors
    /// Only when the monitors refuse the client. A command that fails has a negative code in its reply.
    pub async fn command(
        &self,
        command: impl Into<String>,
        input: Bytes,
    ) -> Result<CommandReply, ClientError> {
        let command = command.into();
        self.ask(|answer| Request::Command { command, input, answer }).await
    }

    /// Runs a command of the very monitor that the client is connected to (`ceph tell`). Like all commands
    /// it is sent again to the next monitor when the connection is lost.
    ///
    /// # Errors
    /// As [`Client::command`].
    pub async fn tell(&self, command: impl Into<String>, input: Bytes) -> Result<CommandReply, ClientError> {
        let command = command.into();
        self.ask(|answer| Request::Tell { command, input, answer }).await
    }

    /// Subscribes by name (`osdmap`, `log-info`, `kv:prefix` ...), each from the version given on, and
    /// gives every message from then on that is no answer to a command.
    #[must_use]
    pub fn subscribe(&self, names: &[(&str, Version)]) -> mpsc::UnboundedReceiver<Message> {
        let item = |start| SubscribeItem { start, flags: 0 };
        let what = names.iter().map(|(name, start)| ((*name).to_owned(), item(*start))).collect();
        let (messages, receiver) = mpsc::unbounded_channel();
        // Without a task the receiver ends at once, which says it all.
        let _ = self.requests.send(Request::Subscribe { what, messages });
        receiver
    }

    /// The monitor that the client is connected to; none while it hunts.
    #[must_use]
    pub fn monitor(&self) -> Option<SocketAddr> {
        *self.monitor.borrow()
    }

    /// Waits until the client is connected to another monitor, or to none, or to one again.
    pub async fn monitor_changed(&mut self) -> Option<SocketAddr> {
        // An error means that the task has ended: connected to none.
        if self.monitor.changed().await.is_err() {
            return None;
        }
        *self.monitor.borrow_and_update()
    }

    /// The newest monmap; waits for the first.
    ///
    /// # Errors
    /// [`ClientError::Closed`].
    pub async fn monmap(&self) -> Result<MonMap, ClientError> {
        let mut monmap = self.monmap.clone();
        let shown = monmap.wait_for(Option::is_some).await.map_err(|_| ClientError::Closed)?;
        shown.clone().ok_or(ClientError::Closed)
    }

    async fn ask(&self, request: impl FnOnce(Answer) -> Request) -> Result<CommandReply, ClientError> {
        let (answer, reply) = oneshot::channel();
        self.requests.send(request(answer)).map_err(|_| ClientError::Closed)?;
        reply.await.map_err(|_| ClientError::Closed)?
    }
}

/// A request that waits for its answer.
struct Pending {
    message: Envelope,
    answer: Answer,
}

struct Task {
    /// [`Target::resend`].
    resend: bool,
    hunt: Hunt,
    fsid: Option<Fsid>,
    inbox: mpsc::UnboundedReceiver<Request>,
    monitor: watch::Sender<Option<SocketAddr>>,
    monmap: watch::Sender<Option<MonMap>>,
    /// By tid, so that requests are sent again in the order in which they came.
    pending: BTreeMap<u64, Pending>,
    subscribers: Vec<mpsc::UnboundedSender<Message>>,
    /// What is subscribed to besides the monmap.
    what: BTreeMap<String, SubscribeItem>,
    last_tid: u64,
}

/// Why a link is no longer served.
enum End {
    /// Nobody holds the client any more.
    Dropped,
    Lost(LinkError),
}

impl Task {
    async fn run(mut self, mut link: Link) {
        loop {
            match self.serve(&mut link).await {
                End::Dropped => return,
                End::Lost(error) => tracing::debug!(%error, "session lost, hunting"),
            }
            drop(link);
            self.monitor.send_replace(None);
            if !self.resend {
                self.give_up(&ClientError::Lost);
            }
            link = loop {
                match self.connect().await {
                    Ok(link) => break link,
                    Err(error) if error.is_final() => self.give_up(&ClientError::Refused(error)),
                    Err(_) => {}
                }
                if self.inbox.is_closed() {
                    return;
                }
                self.hunt.pause().await;
            };
        }
    }

    /// One round of the hunt; then subscribes and sends everything that is unanswered.
    async fn connect(&mut self) -> Result<Link, LinkError> {
        let mut link = self.hunt.round().await?;
        let mut what = self.what.clone();
        what.insert("monmap".into(), SubscribeItem::default());
        link.send(&MMonSubscribe { what, hostname: String::new() }.into())?;
        // Commands must name the cluster, which only the monmap tells.
        while self.fsid.is_none() {
            let message = link.next().await?;
            self.handle(&link, message)?;
        }
        for pending in self.pending.values() {
            link.send(&pending.message)?;
        }
        self.monitor.send_replace(Some(link.monitor()));
        Ok(link)
    }

    async fn serve(&mut self, link: &mut Link) -> End {
        loop {
            let result = tokio::select! {
                message = link.next() => message.and_then(|message| self.handle(link, message)),
                request = self.inbox.recv() => match request {
                    Some(request) => self.begin(link, request),
                    None => return End::Dropped,
                },
            };
            if let Err(error) = result {
                return End::Lost(error);
            }
        }
    }

    fn begin(&mut self, link: &mut Link, request: Request) -> Result<(), LinkError> {
        let fsid = self.fsid.unwrap_or_default();
        let (message, answer) = match request {
            Request::Command { command, input, answer } => {
                let paxos = PaxosServiceMessage::default();
                (Message::from(MMonCommand { paxos, fsid, cmd: vec![command], input }), answer)
            }
            Request::Tell { command, input, answer } => {
                (Message::from(MCommand { fsid, cmd: vec![command], input }), answer)
            }
            Request::Subscribe { what, messages } => {
                self.subscribers.push(messages);
                self.what.extend(what.clone());
                return link.send(&MMonSubscribe { what, hostname: String::new() }.into());
            }
        };
        self.last_tid += 1;
        let message = message.with_tid(self.last_tid);
        let sent = link.send(&message);
        self.pending.insert(self.last_tid, Pending { message, answer });
        sent
    }

    fn handle(&mut self, link: &Link, envelope: Envelope) -> Result<(), LinkError> {
        match envelope.message {
            Message::MonCommandAck(ack) => {
                let reply = CommandReply { code: ack.code, message: ack.message, output: ack.output };
                self.answer(envelope.tid, reply);
            }
            Message::CommandReply(reply) => {
                let reply = CommandReply { code: reply.code, message: reply.message, output: reply.output };
                self.answer(envelope.tid, reply);
            }
            message => {
                if let Message::MonMap(map) = &message {
                    self.learn_monmap(link, &map.monmap)?;
                }
                self.note_progress(&message);
                self.subscribers.retain(|subscriber| subscriber.send(message.clone()).is_ok());
            }
        }
        Ok(())
    }

    fn learn_monmap(&mut self, link: &Link, encoded: &[u8]) -> Result<(), LinkError> {
        let monitor = link.monitor();
        let map =
            MonMap::from_bytes(encoded).map_err(|error| LinkError::Message { monitor, kind: 4, error })?;
        if self.fsid.is_some_and(|fsid| fsid != map.fsid) {
            return Err(LinkError::OtherCluster { monitor, fsid: map.fsid });
        }
        self.fsid = Some(map.fsid);
        self.hunt.learn(map.by_rank().filter_map(|(_, info)| info.addrs.msgr2_socket()).collect());
        self.monmap.send_replace(Some(map));
        Ok(())
    }

    /// After a reconnect subscriptions go on where they were.
    fn note_progress(&mut self, message: &Message) {
        let (name, version) = match message {
            Message::OsdMap(maps) => ("osdmap".to_owned(), u64::from(maps.newest_map)),
            Message::KvData(data) => (format!("kv:{}", data.prefix), data.version.0),
            Message::FsMap(map) => ("fsmap".to_owned(), u64::from(map.epoch)),
            _ => return,
        };
        if let Some(item) = self.what.get_mut(&name) {
            item.start = item.start.max(Version(version + 1));
        }
    }

    fn answer(&mut self, tid: u64, reply: CommandReply) {
        // A request that was sent twice may be answered twice.
        if let Some(pending) = self.pending.remove(&tid) {
            // The caller may have stopped waiting.
            let _ = pending.answer.send(Ok(reply));
        }
    }

    fn give_up(&mut self, error: &ClientError) {
        for (_, pending) in std::mem::take(&mut self.pending) {
            // The caller may have stopped waiting.
            let _ = pending.answer.send(Err(error.clone()));
        }
    }
}
