//! The objects of one kind as the watches tell, and as our own writes told before the watches did.
//!
//! A watch may be late, tell things twice, or list anew from a server that is behind. So nothing older ever takes the
//! place of something newer, and what we have just written or deleted counts at once: the next decision must not
//! be made on what the last one has changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Resource;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

/// Objects by namespace and name. Clones are the same shelf.
pub struct Shelf<K>(Arc<Mutex<Inner<K>>>);

struct Inner<K> {
    objects: BTreeMap<Key, Held<K>>,
    /// What a list has brought so far, by the number of the watch.
    lists: BTreeMap<usize, Vec<K>>,
    /// UIDs of objects that are gone for sure.
    gone: BTreeMap<String, Instant>,
}

struct Held<K> {
    object: Arc<K>,
    /// The watch that told of it; none for what we wrote.
    from: Option<usize>,
    written: Option<Instant>,
    /// Since when a list lacks it, which may be behind what we wrote.
    unlisted: Option<Instant>,
}

impl<K> Held<K> {
    /// A list that lacks it was right, if nothing else has been heard meanwhile.
    fn is_there(&self) -> bool {
        self.unlisted.is_none_or(|since| since.elapsed() < LISTS_LAG_MAX)
    }
}

/// Namespace (empty for none) and name.
pub type Key = (String, String);

/// For so long a list that lacks what we wrote counts as behind.
const LISTS_LAG_MAX: Duration = Duration::from_secs(10);
/// For so long a watch may still bring what we know to be gone.
const GONE_KEPT: Duration = Duration::from_secs(300);

impl<K> Clone for Shelf<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> Default for Shelf<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            objects: BTreeMap::new(),
            lists: BTreeMap::new(),
            gone: BTreeMap::new(),
        })))
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Shelf<K> {
    /// The object with this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let inner = self.lock();
        let held = inner.objects.get(&(namespace.to_owned(), name.to_owned())).filter(|held| held.is_there());
        held.map(|held| held.object.clone())
    }

    /// Objects that fit, in order.
    pub fn filter(&self, fits: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let inner = self.lock();
        let there = inner.objects.values().filter(|held| held.is_there() && fits(&held.object));
        there.map(|held| held.object.clone()).collect()
    }

    /// We have written an object; this is what the API server made of it.
    pub fn wrote(&self, object: K) {
        let mut inner = self.lock();
        inner.put(object, None, Some(Instant::now()));
    }

    /// An object is gone for sure.
    pub fn forget(&self, uid: &str) {
        self.lock().forget(uid);
    }

    /// Takes what a watch tells.
    pub fn take(&self, watch: usize, event: Event<K>) {
        let mut inner = self.lock();
        match event {
            Event::Apply(object) => inner.put(object, Some(watch), None),
            Event::Delete(object) => {
                if let Some(uid) = &object.meta().uid {
                    inner.forget(uid);
                }
            }
            Event::Init => {
                inner.lists.insert(watch, Vec::new());
            }
            Event::InitApply(object) => inner.lists.entry(watch).or_default().push(object),
            Event::InitDone => {
                let list = inner.lists.remove(&watch).unwrap_or_default();
                inner.replace(watch, list);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Inner<K> {
    fn put(&mut self, object: K, from: Option<usize>, written: Option<Instant>) {
        let uid = object.meta().uid.clone().unwrap_or_default();
        if self.gone.contains_key(&uid) {
            return;
        }
        let key = key_of(&object);
        let newest = self.objects.get(&key).is_none_or(|held| version(&object) >= version(&*held.object));
        if newest {
            let written = written.or_else(|| self.objects.get(&key).and_then(|held| held.written));
            let from = from.or_else(|| self.objects.get(&key).and_then(|held| held.from));
            self.objects.insert(key, Held { object: Arc::new(object), from, written, unlisted: None });
        }
    }

    fn forget(&mut self, uid: &str) {
        self.gone.retain(|_, since| since.elapsed() < GONE_KEPT);
        self.gone.insert(uid.to_owned(), Instant::now());
        self.objects.retain(|_, held| held.object.meta().uid.as_deref() != Some(uid));
    }

    fn replace(&mut self, watch: usize, list: Vec<K>) {
        let listed: Vec<Key> = list.iter().map(key_of).collect();
        self.objects.retain(|key, held| {
            if listed.contains(key) || held.from.is_some_and(|from| from != watch) {
                return true;
            }
            held.unlisted = held.unlisted.or_else(|| Some(Instant::now()));
            held.written.is_some_and(|at| at.elapsed() < LISTS_LAG_MAX)
        });
        for object in list {
            self.put(object, Some(watch), None);
        }
    }
}

fn key_of<K: Resource>(object: &K) -> Key {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Versions of one API server grow; they are the store's revision.
fn version<K: Resource>(object: &K) -> u64 {
    object.meta().resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::*;

    fn object(uid: &str, version: u64) -> ConfigMap {
        let metadata = ObjectMeta {
            name: Some("a".into()),
            namespace: Some("n".into()),
            uid: Some(uid.into()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    fn shown(shelf: &Shelf<ConfigMap>) -> Option<(String, String)> {
        let found = shelf.get("n", "a")?;
        Some((found.metadata.uid.clone()?, found.metadata.resource_version.clone()?))
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_older_takes_the_place_of_something_newer() {
        let shelf = Shelf::default();
        shelf.take(0, Event::Apply(object("x", 5)));
        shelf.wrote(object("x", 7));
        shelf.take(0, Event::Apply(object("x", 6)));
        assert_eq!(shown(&shelf), Some(("x".into(), "7".into())));
        // A list that is behind.
        for event in [Event::Init, Event::InitDone] {
            shelf.take(0, event);
        }
        assert_eq!(shown(&shelf), Some(("x".into(), "7".into())));
        tokio::time::advance(LISTS_LAG_MAX).await;
        for event in [Event::Init, Event::InitDone] {
            shelf.take(0, event);
        }
        assert_eq!(shown(&shelf), None);
    }

    /// It went while we were told nothing, and a list says so: it must not stay for ever.
    #[tokio::test(start_paused = true)]
    async fn what_we_wrote_and_a_list_lacks_goes_in_the_end() {
        let shelf = Shelf::default();
        shelf.wrote(object("x", 7));
        for event in [Event::Init, Event::InitDone] {
            shelf.take(0, event);
        }
        assert!(shown(&shelf).is_some());
        tokio::time::advance(LISTS_LAG_MAX).await;
        assert!(shown(&shelf).is_none() && shelf.filter(|_| true).is_empty());
        shelf.take(0, Event::Apply(object("x", 8)));
        assert!(shown(&shelf).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_does_not_come_back_and_its_successor_does() {
        let shelf = Shelf::default();
        shelf.take(0, Event::Apply(object("x", 5)));
        shelf.forget("x");
        shelf.take(0, Event::Apply(object("x", 6)));
        assert_eq!(shown(&shelf), None);
        shelf.take(0, Event::Apply(object("y", 8)));
        assert_eq!(shown(&shelf), Some(("y".into(), "8".into())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_one_namespace_does_not_empty_another() {
        let shelf = Shelf::default();
        shelf.take(1, Event::Apply(object("x", 5)));
        for event in [Event::Init, Event::InitDone] {
            shelf.take(2, event);
        }
        assert!(shown(&shelf).is_some());
    }
}
