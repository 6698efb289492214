//! The decision table, row by row: `testdata/rows/*.yaml` holds observations and what is decided.
//!
//! A file says how it differs from a healthy cluster: `base` (`empty`, `three`, `five`), `spec`, `out` (members
//! that do not answer), `members` (changes of their status entries) and `observation` (a merge patch).
//! With `BLESS=1` the expectations are written; commit them only if you understand what changed them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::or_fun_call,
    reason = "helpers of tests are tests"
)]

#[path = "common/base.rs"]
mod base;

use std::collections::BTreeMap;
use std::path::Path;

use moncluster_api::{MemberName, MonClusterSpec};
use moncluster_plan::{Decision, Observation, Reason, Requeue, Row, plan};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    base: Base,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    spec: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    out: Vec<MemberName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    members: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    observation: Value,
    #[serde(default)]
    expect: Option<Expect>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Base {
    Empty,
    Three,
    Five,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    row: Row,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<Value>,
    /// Kind, target, replacement, reason, step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// Those that are not as in a healthy cluster, as `STATUS REASON`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    conditions: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    events: Vec<Reason>,
    requeue: String,
}

#[test]
fn every_row_decides_as_its_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rows");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut rows = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        let mut case: Case =
            serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let decision = decide(&case);
        rows.insert(decision.row);
        let made = expect(&decision);
        if std::env::var_os("BLESS").is_some() {
            case.expect = Some(made);
            std::fs::write(path, serde_yaml::to_string(&case).unwrap()).unwrap();
        } else if case.expect.as_ref() != Some(&made) {
            wrong.push(format!("{}\n  wanted {:?}\n  made   {made:?}", path.display(), case.expect));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<_> = ALL.iter().filter(|row| !rows.contains(row)).collect();
    assert!(missing.is_empty(), "rows without a file: {missing:?}");
    println!("{} files, {} rows", paths.len(), rows.len());
}

fn decide(case: &Case) -> Decision {
    let (mut seen, replicas) = match case.base {
        Base::Empty => (base::empty(), 3),
        Base::Three => (base::steady(3), 3),
        Base::Five => (base::steady(5), 5),
    };
    base::take_out(&mut seen, &case.out);
    let mut value = serde_json::to_value(&seen).unwrap();
    for (name, patch) in &case.members {
        let members = value["status"]["members"].as_array_mut().unwrap();
        let member = members.iter_mut().find(|member| member["name"] == *name).unwrap();
        merge(member, patch);
    }
    merge(&mut value, &case.observation);
    let seen: Observation = serde_json::from_value(value).unwrap();
    let mut spec = json!({ "replicas": replicas });
    merge(&mut spec, &case.spec);
    let spec: MonClusterSpec = serde_json::from_value(spec).unwrap();
    plan(&base::cluster(spec), &seen)
}

/// RFC 7386; nothing where the patch is null at the top.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else { return };
    for (name, patch) in fields {
        match patch {
            Value::Null => {
                if let Some(object) = value.as_object_mut() {
                    object.remove(name);
                }
            }
            Value::Object(_) if value[name].is_object() => merge(&mut value[name], patch),
            other => value[name] = other.clone(),
        }
    }
}

fn expect(decision: &Decision) -> Expect {
    let healthy = |kind: &str| if matches!(kind, "Progressing" | "Degraded") { "False" } else { "True" };
    let operation = decision.status.operation.as_ref().map(|operation| {
        let by = operation.replacement.as_ref().map_or(String::new(), |name| format!(" by {name}"));
        let abort = if operation.abort.is_some() { ", aborting" } else { "" };
        format!(
            "{} {}{by}: {}, {}{abort}",
            operation.kind, operation.target, operation.reason, operation.step
        )
    });
    let conditions = decision
        .status
        .conditions
        .iter()
        .filter(|condition| condition.status.to_string() != healthy(&condition.kind))
        .map(|condition| (condition.kind.clone(), format!("{} {}", condition.status, condition.reason)));
    Expect {
        row: decision.row,
        action: decision.action.as_ref().map(|action| serde_json::to_value(action).unwrap()),
        operation,
        conditions: if decision.row == Row::NotInCharge { BTreeMap::new() } else { conditions.collect() },
        events: decision.events.iter().map(|event| event.reason).collect(),
        requeue: match decision.requeue {
            Requeue::Now => "now".into(),
            Requeue::After(pause) => format!("{}s", pause.as_secs()),
        },
    }
}

const ALL: [Row; 25] = [
    Row::Deletion,
    Row::NotInCharge,
    Row::Fence,
    Row::SplitBrain,
    Row::Paused,
    Row::Prepare,
    Row::Bootstrap,
    Row::Adopt,
    Row::QuorumUnknown,
    Row::QuorumLost,
    Row::Operation,
    Row::Recreate,
    Row::UnknownMember,
    Row::Request,
    Row::Replace,
    Row::NoSpareNode,
    Row::Grow,
    Row::Shrink,
    Row::Readdress,
    Row::Spread,
    Row::Drain,
    Row::Restart,
    Row::Resize,
    Row::Sweep,
    Row::Idle,
];
