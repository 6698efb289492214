//! The objects, what happened to them, and who owns which fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::apply;
use crate::kind::{Kind, PODS, STATEFUL_SETS};
use crate::object::{Key, Look, finalizers, is_deleted, set, text, uid};

/// Something that happened to an object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) version: u64,
    /// When, in simulated milliseconds.
    pub(crate) at: u64,
    pub(crate) what: What,
    pub(crate) key: Key,
    pub(crate) object: Arc<Value>,
    /// The object before, so that a selector that it no longer fits sees it go.
    pub(crate) before: Option<Arc<Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Added,
    Modified,
    Deleted,
}

/// All objects of the cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    pub(crate) version: u64,
    pub(crate) now_ms: u64,
    pub(crate) now: String,
    objects: BTreeMap<Key, (Kind, Arc<Value>)>,
    /// What each manager applied last.
    applied: BTreeMap<(Key, String), Value>,
    pub(crate) history: Vec<Change>,
    /// Watches from before this version are told 410.
    pub(crate) compacted: u64,
    uids: u64,
}

/// Why a write was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub(crate) fn not_found(key: &Key) -> Self {
        Self::new(404, "NotFound", format!("{} \"{}\" not found", key.plural, key.name))
    }

    pub(crate) fn conflict(key: &Key) -> Self {
        let text = format!("{} \"{}\": the object has been modified", key.plural, key.name);
        Self::new(409, "Conflict", text)
    }
}

/// Which part of an object a write is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Main,
    Status,
}

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key).map(|(_, object)| object)
    }

    /// The objects of a kind, in order.
    pub(crate) fn list(&self, kind: Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let first =
            Key { group: kind.group, plural: kind.plural, namespace: String::new(), name: String::new() };
        let of_kind = move |key: &Key| key.group == kind.group && key.plural == kind.plural;
        self.objects
            .range(first..)
            .take_while(move |(key, _)| of_kind(key))
            .map(|(key, (_, object))| (key, object))
    }

    /// Every object, with its kind.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Key, Kind, &Arc<Value>)> {
        self.objects.iter().map(|(key, (kind, object))| (key, *kind, object))
    }

    pub(crate) fn key(kind: Kind, namespace: &str, name: &str) -> Key {
        Key { group: kind.group, plural: kind.plural, namespace: namespace.into(), name: name.into() }
    }

    pub(crate) fn create(&mut self, kind: Kind, key: &Key, mut object: Value) -> Result<Arc<Value>, Refused> {
        if self.objects.contains_key(key) {
            let text = format!("{} \"{}\" already exists", key.plural, key.name);
            return Err(Refused::new(409, "AlreadyExists", text));
        }
        self.uids += 1;
        set(&mut object, &["apiVersion"], kind.api_version());
        set(&mut object, &["kind"], kind.kind);
        set(&mut object, &["metadata", "name"], key.name.as_str());
        if !key.namespace.is_empty() {
            set(&mut object, &["metadata", "namespace"], key.namespace.as_str());
        }
        set(&mut object, &["metadata", "uid"], format!("00000000-0000-4000-8000-{:012x}", self.uids));
        set(&mut object, &["metadata", "creationTimestamp"], self.now.as_str());
        set(&mut object, &["metadata", "generation"], 1);
        if kind.plural == "persistentvolumeclaims" {
            set(&mut object, &["metadata", "finalizers"], json!(["kubernetes.io/pvc-protection"]));
            set(&mut object, &["status", "phase"], "Pending");
        }
        Ok(self.put(kind, key, object, What::Added))
    }

    /// Replaces an object; the version that it names must be the present one.
    pub(crate) fn replace(
        &mut self,
        kind: Kind,
        key: &Key,
        part: Part,
        object: Value,
    ) -> Result<Arc<Value>, Refused> {
        let present = self.get(key).ok_or_else(|| Refused::not_found(key))?.clone();
        let named = text(&object, "/metadata/resourceVersion");
        if !named.is_empty() && named != text(&present, "/metadata/resourceVersion") {
            return Err(Refused::conflict(key));
        }
        self.write(kind, key, part, &present, object)
    }

    /// Changes an object in place.
    pub(crate) fn update(&mut self, kind: Kind, key: &Key, change: impl FnOnce(&mut Value)) {
        if let Some(present) = self.get(key).cloned() {
            let mut object = (*present).clone();
            change(&mut object);
            self.finish(kind, key, &present, object);
        }
    }

    pub(crate) fn merge(
        &mut self,
        kind: Kind,
        key: &Key,
        part: Part,
        patch: &Value,
    ) -> Result<Arc<Value>, Refused> {
        let present = self.get(key).ok_or_else(|| Refused::not_found(key))?.clone();
        check_version(key, &present, patch)?;
        let mut object = (*present).clone();
        apply::merge_patch(&mut object, patch);
        self.write(kind, key, part, &present, object)
    }

    /// Server-side apply, always with force.
    pub(crate) fn apply(
        &mut self,
        kind: Kind,
        key: &Key,
        part: Part,
        manager: &str,
        config: &Value,
    ) -> Result<Arc<Value>, Refused> {
        let owner = (key.clone(), format!("{manager}/{part:?}"));
        let mut config = config.clone();
        if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.shift_remove("managedFields");
        }
        let result = match self.get(key).cloned() {
            Some(present) => {
                check_version(key, &present, &config)?;
                let wanted_uid = text(&config, "/metadata/uid");
                if !wanted_uid.is_empty() && wanted_uid != uid(&present) {
                    return Err(Refused::conflict(key));
                }
                let mut object = (*present).clone();
                apply::apply(&mut object, self.applied.get(&owner), &without_identity(&config));
                self.write(kind, key, part, &present, object)?
            }
            None if part == Part::Status || !text(&config, "/metadata/uid").is_empty() => {
                return Err(Refused::not_found(key));
            }
            None => self.create(kind, key, without_identity(&config))?,
        };
        self.applied.insert(owner, without_identity(&config));
        Ok(result)
    }

    /// Fields of the spec that a manager does not own, though they are in what it applied.
    pub(crate) fn disown(&mut self, key: &Key, manager: &str, fields: &[&str]) {
        if let Some(config) = self.applied.get_mut(&(key.clone(), format!("{manager}/{:?}", Part::Main))) {
            for field in fields {
                crate::object::unset(config, &["spec", field]);
            }
        }
    }

    /// Deletes, or marks as to be deleted.
    pub(crate) fn delete(&mut self, kind: Kind, key: &Key, options: &Value) -> Result<Arc<Value>, Refused> {
        let present = self.get(key).ok_or_else(|| Refused::not_found(key))?.clone();
        for (field, actual) in
            [("uid", uid(&present)), ("resourceVersion", text(&present, "/metadata/resourceVersion"))]
        {
            let wanted = options.look("/preconditions").map_or("", |it| text(it, &format!("/{field}")));
            if !wanted.is_empty() && wanted != actual {
                return Err(Refused::conflict(key));
            }
        }
        if options.get("propagationPolicy").and_then(Value::as_str) == Some("Orphan") {
            self.orphan(uid(&present));
        }
        let at_once = options.get("gracePeriodSeconds").and_then(Value::as_u64) == Some(0);
        let waits = !finalizers(&present).is_empty() || (kind == PODS && !at_once);
        if !waits {
            return Ok(self.remove(kind, key));
        }
        if !is_deleted(&present) {
            let now = self.now.clone();
            self.update(kind, key, |object| set(object, &["metadata", "deletionTimestamp"], now));
        }
        Ok(self.get(key).cloned().unwrap_or(present))
    }

    /// Takes an object away, whatever waits for it.
    pub(crate) fn remove(&mut self, kind: Kind, key: &Key) -> Arc<Value> {
        self.applied.retain(|(of, _), _| of != key);
        let object = self.objects.get(key).map(|(_, object)| (**object).clone()).unwrap_or_default();
        let object = self.put(kind, key, object, What::Deleted);
        self.objects.remove(key);
        object
    }

    fn orphan(&mut self, owner: &str) {
        let owned = |object: &Value| {
            crate::object::array(object, "/metadata/ownerReferences")
                .iter()
                .any(|reference| text(reference, "/uid") == owner)
        };
        let keys: Vec<_> = self
            .all()
            .filter(|(_, _, object)| owned(object))
            .map(|(key, kind, _)| (key.clone(), kind))
            .collect();
        for (key, kind) in keys {
            self.update(kind, &key, |object| {
                if let Some(list) =
                    object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut)
                {
                    list.retain(|reference| text(reference, "/uid") != owner);
                }
            });
        }
    }

    fn write(
        &mut self,
        kind: Kind,
        key: &Key,
        part: Part,
        present: &Value,
        mut object: Value,
    ) -> Result<Arc<Value>, Refused> {
        // What belongs to the other part, and what nobody may change, stays as it is.
        for field in ["uid", "creationTimestamp", "deletionTimestamp", "name", "namespace", "generation"] {
            keep(&mut object, present, &["metadata", field]);
        }
        keep(&mut object, present, &["apiVersion"]);
        keep(&mut object, present, &["kind"]);
        match part {
            Part::Main if kind.has_status => keep(&mut object, present, &["status"]),
            Part::Main => {}
            Part::Status => {
                keep(&mut object, present, &["spec"]);
                keep(&mut object, present, &["metadata"]);
            }
        }
        if kind == STATEFUL_SETS {
            check_stateful_set(key, present, &object)?;
        }
        Ok(self.finish(kind, key, present, object))
    }

    /// Stores a changed object, if it is changed; it goes when the last finalizer has gone.
    fn finish(&mut self, kind: Kind, key: &Key, present: &Value, mut object: Value) -> Arc<Value> {
        keep(&mut object, present, &["metadata", "resourceVersion"]);
        if object == *present {
            return self.objects[key].1.clone();
        }
        if object.get("spec") != present.get("spec") {
            let generation = present.look("/metadata/generation").and_then(Value::as_u64).unwrap_or(1);
            set(&mut object, &["metadata", "generation"], generation + 1);
        }
        let object = self.put(kind, key, object, What::Modified);
        if is_deleted(&object) && finalizers(&object).is_empty() && kind != PODS {
            return self.remove(kind, key);
        }
        object
    }

    fn put(&mut self, kind: Kind, key: &Key, mut object: Value, what: What) -> Arc<Value> {
        self.version += 1;
        set(&mut object, &["metadata", "resourceVersion"], self.version.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), (kind, object.clone())).map(|(_, before)| before);
        self.history.push(Change {
            version: self.version,
            at: self.now_ms,
            what,
            key: key.clone(),
            object: object.clone(),
            before,
        });
        object
    }
}

fn check_version(key: &Key, present: &Value, config: &Value) -> Result<(), Refused> {
    let named = text(config, "/metadata/resourceVersion");
    if named.is_empty() || named == text(present, "/metadata/resourceVersion") {
        Ok(())
    } else {
        Err(Refused::conflict(key))
    }
}

fn without_identity(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["resourceVersion", "uid", "creationTimestamp", "generation"] {
            metadata.shift_remove(field);
        }
    }
    config
}

fn keep(object: &mut Value, present: &Value, path: &[&str]) {
    let pointer = format!("/{}", path.join("/"));
    match present.look(&pointer) {
        Some(value) => set(object, path, value.clone()),
        None => crate::object::unset(object, path),
    }
}

/// Fields of a StatefulSet that cannot be changed.
fn check_stateful_set(key: &Key, present: &Value, object: &Value) -> Result<(), Refused> {
    for field in ["selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"] {
        let pointer = format!("/spec/{field}");
        if present.look(&pointer) != object.look(&pointer) {
            let text = format!("StatefulSet \"{}\" is invalid: spec.{field}: Forbidden", key.name);
            return Err(Refused::new(422, "Invalid", text));
        }
    }
    Ok(())
}
