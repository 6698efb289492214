//! What Kubernetes tells: every object that matters, kept up to date, and who is to look when one changes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Node, PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use moncluster_api::{MonCluster, label};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::shelf::{Key, Shelf};

/// Everything that is watched.
#[derive(Clone, Default)]
pub struct Watches {
    /// MonClusters.
    pub clusters: Shelf<MonCluster>,
    /// Members' StatefulSets.
    pub stateful_sets: Shelf<StatefulSet>,
    /// Members' pods.
    pub pods: Shelf<Pod>,
    /// Members' claims.
    pub claims: Shelf<PersistentVolumeClaim>,
    /// Services.
    pub services: Shelf<Service>,
    /// ConfigMaps.
    pub config_maps: Shelf<ConfigMap>,
    /// Disruption budgets.
    pub budgets: Shelf<PodDisruptionBudget>,
    /// Network policies.
    pub policies: Shelf<NetworkPolicy>,
    /// Nodes.
    pub nodes: Shelf<Node>,
    /// Volumes.
    pub volumes: Shelf<PersistentVolume>,
    wakers: Wakers,
    health: Health,
}

/// Who is to look when something changes.
#[derive(Clone, Default)]
pub struct Wakers(Arc<Mutex<BTreeMap<Key, Arc<Notify>>>>, Arc<Notify>);

/// How each watch does.
#[derive(Clone, Default)]
struct Health(Arc<Mutex<BTreeMap<usize, State>>>);

#[derive(Debug, Clone)]
struct State {
    listed: bool,
    failing: Option<(Instant, Instant, String)>,
}

/// A watch that fails is tried again this often, at the least.
const RETRY_MAX: Duration = Duration::from_secs(4);
/// A watch that has not failed for so long works: it would have failed again.
const RECOVERED: Duration = Duration::from_secs(10);

impl Watches {
    /// Watches for ever. Without namespaces, in all of them.
    pub fn follow(&self, client: &Client, namespaces: &[String]) -> impl Future<Output = ()> + Send + use<> {
        let mut all: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        let mut number = 0;
        let mut next = || {
            number += 1;
            number
        };
        let ours = watcher::Config::default().labels(label::CLUSTER);
        let scopes: Vec<Option<&String>> =
            if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(Some).collect() };
        for scope in scopes {
            let anything = watcher::Config::default();
            all.push(self.one(next(), api(client, scope), anything, &self.clusters));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.stateful_sets));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.pods));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.claims));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.services));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.config_maps));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.budgets));
            all.push(self.one(next(), api(client, scope), ours.clone(), &self.policies));
        }
        all.push(self.one(next(), Api::all(client.clone()), watcher::Config::default(), &self.nodes));
        all.push(self.one(next(), Api::all(client.clone()), watcher::Config::default(), &self.volumes));
        async move { while all.next().await.is_some() {} }
    }

    /// Who is to look.
    pub const fn wakers(&self) -> &Wakers {
        &self.wakers
    }

    /// For how long at least one watch has not worked; none before all have listed.
    pub fn behind(&self) -> Option<Duration> {
        self.health.behind()
    }

    /// What the watches that do not work say.
    pub fn complaints(&self) -> Vec<String> {
        self.health.complaints()
    }

    fn one<K>(
        &self,
        number: usize,
        api: Api<K>,
        config: watcher::Config,
        shelf: &Shelf<K>,
    ) -> BoxFuture<'static, ()>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
    {
        let (shelf, wakers, health) = (shelf.clone(), self.wakers.clone(), self.health.clone());
        health.expect(number);
        Box::pin(async move {
            let mut events = watcher(api, config).backoff(Retry::default()).boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(mut event) => {
                        health.works(number, matches!(event, watcher::Event::InitDone));
                        if let Some(object) = object_of(&mut event) {
                            object.meta_mut().managed_fields = None;
                            wakers.wake_for(object.meta());
                        }
                        shelf.take(number, event);
                    }
                    Err(error) => {
                        tracing::debug!(kind = %K::kind(&()), %error, "watch interrupted");
                        health.fails(number, format!("cannot watch {}: {error}", K::plural(&())));
                    }
                }
            }
        })
    }
}

fn api<K>(client: &Client, namespace: Option<&String>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

fn object_of<K>(event: &mut watcher::Event<K>) -> Option<&mut K> {
    match event {
        watcher::Event::Apply(object)
        | watcher::Event::Delete(object)
        | watcher::Event::InitApply(object) => Some(object),
        watcher::Event::Init | watcher::Event::InitDone => None,
    }
}

impl Wakers {
    /// What wakes whoever works for a cluster.
    pub fn of(&self, key: &Key) -> Arc<Notify> {
        self.lock().entry(key.clone()).or_default().clone()
    }

    /// What tells that there may be another MonCluster.
    pub fn clusters(&self) -> Arc<Notify> {
        self.1.clone()
    }

    /// Nobody works for it any more.
    pub fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn wake_for(&self, meta: &kube::api::ObjectMeta) {
        let namespace = meta.namespace.clone().unwrap_or_default();
        let cluster = meta.labels.as_ref().and_then(|labels| labels.get(label::CLUSTER));
        let known = self.lock();
        match cluster {
            Some(cluster) => {
                if let Some(waker) = known.get(&(namespace, cluster.clone())) {
                    waker.notify_one();
                }
            }
            // A node or a volume: anybody's.
            None if namespace.is_empty() => known.values().for_each(|waker| waker.notify_one()),
            None => {
                self.1.notify_one();
                if let Some(waker) = known.get(&(namespace, meta.name.clone().unwrap_or_default())) {
                    waker.notify_one();
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    fn expect(&self, number: usize) {
        self.lock().insert(number, State { listed: false, failing: None });
    }

    fn works(&self, number: usize, listed: bool) {
        if let Some(state) = self.lock().get_mut(&number) {
            state.listed |= listed;
            state.failing = None;
        }
    }

    fn fails(&self, number: usize, why: String) {
        let now = Instant::now();
        if let Some(state) = self.lock().get_mut(&number) {
            let since = state.failing.as_ref().map_or(now, |(since, ..)| *since);
            state.failing = Some((since, now, why));
        }
    }

    fn behind(&self) -> Option<Duration> {
        let states = self.lock();
        if states.values().any(|state| !state.listed) {
            return None;
        }
        let failing = states.values().filter_map(State::failing_since);
        Some(failing.map(|since| since.elapsed()).max().unwrap_or_default())
    }

    fn complaints(&self) -> Vec<String> {
        let states = self.lock();
        let failing = states.values().filter(|state| state.failing_since().is_some() || !state.listed);
        failing.filter_map(|state| state.failing.as_ref().map(|(.., why)| why.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn failing_since(&self) -> Option<Instant> {
        let (since, last, _) = self.failing.as_ref()?;
        (last.elapsed() < RECOVERED).then_some(*since)
    }
}

/// Half a second, then twice as long each time.
#[derive(Debug, Default)]
struct Retry {
    failures: u32,
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = Duration::from_millis(500) * 2u32.pow(self.failures.min(3));
        self.failures += 1;
        Some(delay.min(RETRY_MAX))
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        self.failures = 0;
    }
}
