//! The shape of a JSON value: which keys it has and what kinds of values they hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A shape; lists have one shape for all their elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    kinds: BTreeSet<&'static str>,
    keys: BTreeMap<String, Self>,
    element: Option<Box<Self>>,
}

impl Shape {
    /// The shape of a value. Objects for which `is_map` says so (given their path) are maps: their keys are
    /// data, and all their values have one shape.
    pub(crate) fn of(value: &Value, path: &str, is_map: &dyn Fn(&str) -> bool) -> Self {
        let mut shape = Self::default();
        shape.add(value, path, is_map);
        shape
    }

    fn add(&mut self, value: &Value, path: &str, is_map: &dyn Fn(&str) -> bool) {
        self.kinds.insert(match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        });
        match value {
            Value::Array(elements) => {
                for element in elements {
                    self.element.get_or_insert_default().add(element, &format!("{path}[]"), is_map);
                }
            }
            Value::Object(keys) if is_map(path) => {
                for value in keys.values() {
                    self.element.get_or_insert_default().add(value, &format!("{path}{{}}"), is_map);
                }
            }
            Value::Object(keys) => {
                for (key, value) in keys {
                    let path = format!("{path}.{key}");
                    self.keys.entry(key.clone()).or_default().add(value, &path, is_map);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Where `ours` differs from `stock`. What lists and maps hold is compared where both hold something.
    pub(crate) fn differences(ours: &Self, stock: &Self, path: &str, found: &mut Vec<String>) {
        if ours.kinds != stock.kinds {
            found.push(format!("{path}: ours is {:?}, stock's {:?}", ours.kinds, stock.kinds));
        }
        for key in stock.keys.keys().filter(|key| !ours.keys.contains_key(*key)) {
            found.push(format!("{path}.{key}: ours lacks it"));
        }
        for (key, shape) in &ours.keys {
            match stock.keys.get(key) {
                Some(other) => Self::differences(shape, other, &format!("{path}.{key}"), found),
                None => found.push(format!("{path}.{key}: stock lacks it")),
            }
        }
        if let (Some(ours), Some(stock)) = (&ours.element, &stock.element) {
            Self::differences(ours, stock, &format!("{path}[]"), found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differences(ours: &Value, stock: &Value) -> Vec<String> {
        let is_map = |path: &str| path == ".versions";
        let mut found = Vec::new();
        Shape::differences(&Shape::of(ours, "", &is_map), &Shape::of(stock, "", &is_map), "", &mut found);
        found
    }

    #[test]
    fn keys_and_kinds_are_compared_but_not_values() {
        let stock = json!({"a": 1, "b": [{"c": "x"}], "d": [], "versions": {"v1": 3}});
        let same = json!({"a": 2, "b": [{"c": "y"}, {"c": "z"}], "d": [1], "versions": {"v2": 1, "v3": 2}});
        assert_eq!(differences(&same, &stock), Vec::<String>::new());
        let other = json!({"a": "2", "b": [{"e": 1}], "d": [], "versions": {}});
        assert_eq!(differences(&other, &stock).len(), 3);
    }
}
