//! Reading and writing the common fields of objects.

use serde_json::{Map, Value, json};

/// Where an object is: kind (group and plural), namespace (empty for none), name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) group: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// What is at a path of plain keys and indices, as `/a/b/0`. `Value::pointer` makes a string of every key.
pub(crate) trait Look {
    fn look(&self, path: &str) -> Option<&Value>;
}

impl Look for Value {
    fn look(&self, path: &str) -> Option<&Value> {
        path.split('/').skip(1).try_fold(self, |inner, key| match inner {
            Self::Object(map) => map.get(key),
            Self::Array(list) => list.get(key.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.look(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

pub(crate) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

pub(crate) fn label<'a>(object: &'a Value, label: &str) -> &'a str {
    object
        .look("/metadata/labels")
        .and_then(|labels| labels.get(label))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(crate) fn is_deleted(object: &Value) -> bool {
    object.look("/metadata/deletionTimestamp").is_some()
}

pub(crate) fn array<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.look(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    array(object, "/metadata/finalizers").iter().filter_map(Value::as_str).collect()
}

/// The object, made if need be, at a path of plain keys.
pub(crate) fn at<'a>(object: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(object, |inner, key| {
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        inner.as_object_mut().unwrap().entry(*key).or_insert(Value::Null)
    })
}

pub(crate) fn set(object: &mut Value, path: &[&str], value: impl Into<Value>) {
    *at(object, path) = value.into();
}

pub(crate) fn unset(object: &mut Value, path: &[&str]) {
    if let [above @ .., last] = path
        && let Some(map) = at(object, above).as_object_mut()
    {
        map.shift_remove(*last);
    }
}

/// The state of a condition: `True`, `False`, `Unknown` or empty.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let of_kind = |condition: &&Value| condition.get("type").and_then(Value::as_str) == Some(kind);
    array(object, "/status/conditions").iter().find(of_kind).map_or("", |found| text(found, "/status"))
}

pub(crate) fn set_condition(object: &mut Value, kind: &str, status: &str, now: &str) {
    if condition(object, kind) == status {
        return;
    }
    let conditions = at(object, &["status", "conditions"]);
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let conditions = conditions.as_array_mut().unwrap();
    conditions.retain(|condition| text(condition, "/type") != kind);
    conditions.push(json!({
        "type": kind, "status": status, "reason": "Simulated", "message": "",
        "lastTransitionTime": now, "lastHeartbeatTime": now,
    }));
}
