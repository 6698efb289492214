//! As much of a structural schema as ours uses.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

/// The schema of the only version.
pub(crate) fn of(crd: &CustomResourceDefinition) -> Value {
    let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
    serde_json::to_value(schema).unwrap()
}

/// What is wrong with an object, each with its path.
pub(crate) fn complaints(schema: &Value, object: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    check("spec", &schema["properties"]["spec"], &object["spec"], &mut wrong);
    wrong
}

fn check(path: &str, schema: &Value, value: &Value, wrong: &mut Vec<String>) {
    let mut require = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{path}: {what}"));
        }
    };
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    require(fits || value.is_null() && schema["nullable"] == true, "wrong type");
    if let Some(allowed) = schema["enum"].as_array() {
        require(allowed.contains(value), "not one of the values");
    }
    if let Some(number) = value.as_f64() {
        require(schema["minimum"].as_f64().is_none_or(|least| number >= least), "too small");
        require(schema["maximum"].as_f64().is_none_or(|most| number <= most), "too large");
    }
    let length = value.as_str().map(|text| text.chars().count()).or(value.as_array().map(Vec::len));
    if let Some(length) = length.map(|length| length as u64) {
        let bound = |name: &str, other: &str| schema[name].as_u64().or(schema[other].as_u64());
        require(bound("minLength", "minItems").is_none_or(|least| length >= least), "too short");
        require(bound("maxLength", "maxItems").is_none_or(|most| length <= most), "too long");
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str()) {
        require(matches(pattern, text), "does not match");
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let there = value.get(name).is_some();
        if !there {
            wrong.push(format!("{path}.{name}: required"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let inside = format!("{path}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => check(&inside, schema, field, wrong),
            (None, None) if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
            (None, None) => wrong.push(format!("unknown field \"{inside}\"")),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&format!("{path}[{index}]"), &schema["items"], item, wrong);
    }
}

/// The few patterns that the schema has, by what they mean; a new one fails here until it is added.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.as_bytes() {
        pattern if pattern.starts_with(b"^([0-9]{1,5}h)") => text.parse::<moncluster_api::Span>().is_ok(),
        pattern if pattern.starts_with(b"^sha(256") => {
            let hex = |rest: &str| rest.chars().all(|letter| letter.is_ascii_hexdigit());
            text.strip_prefix("sha256:").is_some_and(|rest| rest.len() == 64 && hex(rest))
        }
        pattern if pattern.starts_with(b"^[0-9]{1,12}") => {
            text.starts_with(|digit: char| digit.is_ascii_digit())
        }
        _ => panic!("no meaning is known for {pattern}"),
    }
}

/// The messages of all rules.
pub(crate) fn rules(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
            {
                // Kubernetes' own types bring rules of their own, without ours.
                found.push(rule["message"].as_str().expect("a rule without a sentence").into());
            }
            fields.values().for_each(|field| rules(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| rules(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Paths of strings, lists and maps without an upper bound.
pub(crate) fn unbounded(path: &str, schema: &Value, found: &mut Vec<String>) {
    let bounded = match schema["type"].as_str() {
        Some("string") => schema.get("maxLength").or(schema.get("enum")).is_some(),
        Some("array") => schema.get("maxItems").is_some(),
        Some("object") if schema.get("additionalProperties").is_some() => {
            schema.get("maxProperties").is_some()
        }
        _ => true,
    };
    if !bounded {
        found.push(path.into());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        unbounded(&format!("{path}.{name}"), field, found);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            unbounded(path, inner, found);
        }
    }
}
