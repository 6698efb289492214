//! Label and field selectors, as far as the operator uses them.

use serde_json::Value;

use crate::object::{Look, label, text};

/// Whether an object fits `a=b,c!=d,e,!f`, `g in (h,i)`.
pub(crate) fn labels_match(object: &Value, selector: &str) -> bool {
    split(selector).into_iter().all(|term| label_matches(object, term.trim()))
}

/// Whether an object fits `metadata.name=a,spec.nodeName!=b`.
pub(crate) fn fields_match(object: &Value, selector: &str) -> bool {
    let terms = selector.split(',').filter(|term| !term.is_empty());
    terms.into_iter().all(|term| {
        let (path, value, wanted) = match term.split_once("!=") {
            Some((path, value)) => (path, value, false),
            None => {
                let (path, value) = term.split_once('=').unwrap_or((term, ""));
                (path, value.trim_start_matches('='), true)
            }
        };
        let pointer = format!("/{}", path.replace('.', "/"));
        (text(object, &pointer) == value) == wanted
    })
}

/// Commas inside of parentheses separate values, not terms.
fn split(selector: &str) -> Vec<&str> {
    let (mut terms, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in selector.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(&selector[start..]);
    terms.retain(|term| !term.trim().is_empty());
    terms
}

fn label_matches(object: &Value, term: &str) -> bool {
    let exists = |key: &str| object.look("/metadata/labels").is_some_and(|labels| labels.get(key).is_some());
    if let Some(key) = term.strip_prefix('!') {
        return !exists(key);
    }
    if let Some((key, values)) = term.split_once(" in ") {
        let values = values.trim().trim_matches(['(', ')']);
        return exists(key.trim())
            && values.split(',').any(|value| value.trim() == label(object, key.trim()));
    }
    if let Some((key, value)) = term.split_once("!=") {
        return label(object, key) != value;
    }
    match term.split_once('=') {
        Some((key, value)) => exists(key) && label(object, key) == value.trim_start_matches('='),
        None => exists(term),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn terms() {
        let object =
            json!({"metadata": {"name": "x", "labels": {"a": "1", "b/c": "2"}}, "spec": {"nodeName": "n"}});
        for (selector, wanted) in [
            ("", true),
            ("a=1,b/c=2", true),
            ("a==1", true),
            ("a=2", false),
            ("a", true),
            ("!a", false),
            ("!z,a!=2", true),
            ("a in (0,1),b/c", true),
            ("a in (0,2)", false),
        ] {
            assert_eq!(labels_match(&object, selector), wanted, "{selector}");
        }
        assert!(fields_match(&object, "metadata.name=x,spec.nodeName!=m"));
        assert!(!fields_match(&object, "metadata.name=y"));
    }
}
