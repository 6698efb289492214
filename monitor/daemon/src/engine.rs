//! The one owner of the core: takes events, carries out effects. No decisions here.
//!
//! ```text
//!  inbox --> Monitor::handle --> effects --> Gate --> network, store writer, answers, snapshots
//!    ^                                         ^
//!    +-- Persisted <-- store writer            +-- opens when a write is persisted
//! ```

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use mon_cephx::server::AuthView;
use mon_core::effect::{Asker, CommandReply, Effect, Halt, KvChange, Level};
use mon_core::event::Event;
use mon_core::gate::Gate;
use mon_core::monitor::Monitor;
use mon_core::status::Status;
use mon_store::{KvStore, Writer};
use mon_types::log::LogEntry;
use mon_types::message::{MCommandReply, Message};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::clock::Clock;
use crate::feed::Feed;
use crate::latency::Latencies;
use crate::logging::Logs;
use crate::net::NetHandle;
use crate::process::{self, Process, Readings};
use crate::queue::EventReceiver;
use crate::requests::Requests;

/// The core with everything that its effects go to.
pub(crate) struct Engine {
    pub(crate) monitor: Monitor,
    pub(crate) store: Arc<dyn KvStore>,
    pub(crate) writer: Writer,
    pub(crate) net: NetHandle,
    pub(crate) requests: Requests,
    pub(crate) clock: Clock,
    pub(crate) outlets: Outlets,
    pub(crate) latencies: Latencies,
    pub(crate) process: Process,
}

/// Where snapshots and streams go that others in the process look at.
pub(crate) struct Outlets {
    pub(crate) auth: Arc<ArcSwap<AuthView>>,
    pub(crate) status: watch::Sender<Arc<Status>>,
    pub(crate) kv: Arc<Feed<KvChange>>,
    pub(crate) log: Arc<Feed<LogEntry>>,
    pub(crate) logs: Logs,
}

impl Engine {
    /// Runs until the core halts. Everything that it did before is carried out, and written, when this returns.
    pub(crate) async fn run(mut self, mut events: EventReceiver) -> Halt {
        let halt = self.run_until_halt(&mut events).await;
        self.writer.stop();
        halt
    }

    async fn run_until_halt(&mut self, events: &mut EventReceiver) -> Halt {
        let mut gate = Gate::default();
        let mut event = Event::Started;
        loop {
            if let Event::Persisted(id) = event {
                for effect in gate.persisted(id) {
                    self.deliver(effect);
                }
            }
            self.latencies.heard(&event);
            self.monitor.handle(self.clock.now(), &*self.store, event);
            let consensus = self.monitor.consensus();
            self.latencies.paxos(consensus.paxos_state(), consensus.last_committed());
            let effects: Vec<Effect> = self.monitor.effects().collect();
            for effect in effects {
                if let Effect::Halt(halt) = effect {
                    return halt;
                }
                if let Some(effect) = gate.admit(effect) {
                    self.deliver(effect);
                }
            }
            let deadline = self.monitor.next_deadline().map(|at| self.clock.instant(at));
            event = events.next(deadline).await.unwrap_or(Event::Deadline);
        }
    }

    fn deliver(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { id, transaction, sync } => self.writer.submit(id.0, transaction, sync),
            Effect::Send { to, message, .. } => self.net.send(&to, message),
            Effect::Reply { session, message, .. } => {
                self.latencies.said(session, &message);
                self.net.reply(session, message);
            }
            Effect::CloseSession { session } => self.net.close(session),
            Effect::Peers { rank, peers, reset } => self.net.set_peers(rank, peers, reset),
            Effect::DropPeer { peer } => self.net.drop_peer(&peer),
            Effect::GlobalId { request, id } => self.requests.answer_global_id(request, id),
            Effect::AdminReply { request, reply } => self.requests.answer_command(request, reply),
            Effect::ProcessCommand { asker, command: process::COMPACT, .. } => self.compact(asker),
            Effect::ProcessCommand { asker, command, arguments } => {
                let status = self.outlets.status.borrow().clone();
                let readings = Readings { status, connections: self.net.counts() };
                let reply = self.process.answer(command, &arguments, &readings);
                answer(&self.requests, &self.net, asker, reply);
            }
            Effect::PublishAuth(view) => self.outlets.auth.store(view),
            Effect::PublishStatus(status) => {
                self.outlets.status.send_replace(status);
            }
            Effect::ClusterLog(entries) => {
                self.outlets.logs.write_cluster_log(&entries);
                self.outlets.log.push_lines(entries);
            }
            Effect::KvChanged(changes) => self.outlets.kv.push_changes(changes),
            Effect::Log(Level::Debug, text) => debug!("{text}"),
            Effect::Log(Level::Info, text) => info!("{text}"),
            Effect::Log(Level::Warn, text) => warn!("{text}"),
            Effect::Log(Level::Error, text) => error!("{text}"),
            // Taken out by the caller.
            Effect::Halt(_) => {}
        }
    }

    /// Compacts the store beside everything else; the answer comes with its end.
    fn compact(&self, asker: Asker) {
        let (requests, net, start) = (self.requests.clone(), self.net.clone(), Instant::now());
        info!("compacting the store, as asked");
        self.store.compact(Box::new(move || {
            let took = start.elapsed();
            info!(?took, "compacted the store");
            // In stock's words, of which programs may look for the number.
            let output = format!("compacted rocksdb in {:.3} seconds", took.as_secs_f64()).into();
            answer(&requests, &net, asker, CommandReply { output, ..CommandReply::default() });
        }));
    }
}

fn answer(requests: &Requests, net: &NetHandle, asker: Asker, reply: CommandReply) {
    match asker {
        Asker::Request(request) => requests.answer_command(request, reply),
        Asker::Client { session, tid } => {
            net.reply(session, Message::from(MCommandReply::from(reply)).with_tid(tid));
        }
    }
}
