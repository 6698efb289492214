//! Server-side apply and merge patches.
//!
//! What a manager applied last is kept whole; what it leaves out of its next configuration goes, unless another
//! manager applies it, too. Lists are replaced as a whole, except those whose items have keys that several
//! managers share: owner references, conditions and finalizers.

use serde_json::{Map, Value};

use crate::object::text;

/// Puts a manager's configuration over an object; `before` is what it applied last.
pub(crate) fn apply(live: &mut Value, before: Option<&Value>, config: &Value) {
    merge("", live, before, config);
}

/// RFC 7386.
pub(crate) fn merge_patch(live: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *live = patch.clone();
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    let map = live.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.shift_remove(key);
        } else {
            merge_patch(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn merge(field: &str, live: &mut Value, before: Option<&Value>, config: &Value) {
    match (&mut *live, config) {
        (Value::Object(live), Value::Object(config)) => {
            if let Some(before) = before.and_then(Value::as_object) {
                for (key, value) in before.iter().filter(|(key, _)| !config.contains_key(*key)) {
                    withdraw(live, key, value);
                }
            }
            for (key, value) in config {
                let before = before.and_then(|before| before.get(key));
                merge(key, live.entry(key.clone()).or_insert(Value::Null), before, value);
            }
        }
        (Value::Array(live), Value::Array(config)) if item_key(field).is_some() => {
            let same = |a: &Value, b: &Value| same_item(field, a, b);
            let before = before.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            live.retain(|item| {
                let was_ours = before.iter().any(|other| same(item, other));
                !was_ours || config.iter().any(|other| same(item, other))
            });
            for item in config {
                match live.iter_mut().find(|other| same(other, item)) {
                    Some(known) => *known = item.clone(),
                    None => live.push(item.clone()),
                }
            }
        }
        _ => *live = config.clone(),
    }
}

/// Takes out what a manager no longer wants; what others put beside it stays.
fn withdraw(live: &mut Map<String, Value>, key: &str, before: &Value) {
    match (live.get_mut(key), before) {
        (Some(Value::Object(inner)), Value::Object(before)) => {
            for (key, value) in before {
                withdraw(inner, key, value);
            }
            if inner.is_empty() {
                live.shift_remove(key);
            }
        }
        (Some(_), _) => {
            live.shift_remove(key);
        }
        (None, _) => {}
    }
}

fn item_key(field: &str) -> Option<&'static str> {
    match field {
        "ownerReferences" => Some("/uid"),
        "conditions" => Some("/type"),
        "finalizers" => Some(""),
        _ => None,
    }
}

fn same_item(field: &str, a: &Value, b: &Value) -> bool {
    match item_key(field) {
        Some("") => a == b,
        Some(pointer) => text(a, pointer) == text(b, pointer),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_goes_and_what_others_own_stays() {
        let mut live = json!({"spec": {"clusterIP": "10.0.0.1"}, "metadata": {"finalizers": ["theirs"]}});
        let first = json!({"spec": {"ports": [1, 2], "selector": {"a": "1", "b": "2"}}, "metadata": {"finalizers": ["ours"]}});
        apply(&mut live, None, &first);
        assert_eq!(live["metadata"]["finalizers"], json!(["theirs", "ours"]));
        let second = json!({"spec": {"ports": [3], "selector": {"a": "1"}}, "metadata": {}});
        apply(&mut live, Some(&first), &second);
        assert_eq!(live["spec"], json!({"clusterIP": "10.0.0.1", "ports": [3], "selector": {"a": "1"}}));
    }

    #[test]
    fn merge_patches_remove_with_null() {
        let mut live = json!({"a": {"b": 1, "c": 2}});
        merge_patch(&mut live, &json!({"a": {"b": null, "d": [1]}}));
        assert_eq!(live, json!({"a": {"c": 2, "d": [1]}}));
    }
}
