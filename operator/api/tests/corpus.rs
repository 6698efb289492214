//! The corpus of good and bad objects, as far as it can be judged without an API server: the structural schema by a
//! small validator, the rules that need no old object by `ValidatedCluster`, and of all rules that the schema has
//! them with the sentence that the corpus expects. tests/k8s applies the same files to a real one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::or_fun_call,
    reason = "helpers of tests are tests"
)]

#[path = "corpus/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};

use kube::CustomResourceExt;
use moncluster_api::{MonCluster, ValidatedCluster};
use serde_json::Value;

struct Case {
    path: PathBuf,
    expect: Option<String>,
    documents: Vec<Value>,
}

fn cases(kind: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let expect = text.lines().next().and_then(|line| line.strip_prefix("# expect: ")).map(String::from);
        let documents = text.split("---\n").map(|text| serde_yaml::from_str(text).unwrap()).collect();
        Case { path, expect, documents }
    };
    paths.into_iter().map(case).collect()
}

/// What is wrong with an object, without looking at an older one.
fn complaints(object: &Value) -> Vec<String> {
    let mut wrong = schema::complaints(&schema::of(&MonCluster::crd()), object);
    if wrong.is_empty() {
        let mut cluster: MonCluster = serde_json::from_value(object.clone()).unwrap();
        cluster.metadata.namespace = Some("default".into());
        wrong.extend(ValidatedCluster::try_from(&cluster).err().into_iter().flat_map(|invalid| invalid.0));
    }
    wrong
}

#[test]
fn good_objects_are_accepted() {
    let cases = cases("good");
    assert!(cases.len() >= 10);
    for case in cases {
        for object in &case.documents {
            assert_eq!(complaints(object), Vec::<String>::new(), "{}", case.path.display());
        }
    }
}

#[test]
fn bad_objects_are_refused_with_a_sentence_that_says_what_to_do() {
    let crd = serde_json::to_string(&MonCluster::crd()).unwrap();
    let cases = cases("bad");
    assert!(cases.len() >= 30);
    for Case { path, expect, documents } in cases {
        let path = path.display();
        let expect = expect.unwrap_or_else(|| panic!("{path} does not say what to expect"));
        let by_rule = crd.contains(&expect.replace('"', "\\\""));
        let wrong = complaints(documents.last().unwrap());
        match documents.len() {
            // A change that is not allowed: both objects are fine, the rule is in the schema.
            2 if wrong.is_empty() => assert!(by_rule, "{path}: no rule says: {expect}"),
            _ => {
                let by_schema = wrong.iter().any(|wrong| wrong.contains(&expect));
                assert!(
                    by_rule && !wrong.is_empty() || by_schema,
                    "{path}: wanted {expect}, found {wrong:?}"
                );
            }
        }
        for object in &documents[..documents.len() - 1] {
            assert!(complaints(object).is_empty(), "{path}: the first document is bad already");
        }
    }
}

#[test]
fn every_rule_has_a_sentence_and_a_bad_object() {
    let crd = serde_json::to_value(MonCluster::crd()).unwrap();
    let mut messages = Vec::new();
    schema::rules(&crd, &mut messages);
    let expected: Vec<_> = cases("bad").into_iter().filter_map(|case| case.expect).collect();
    assert!(messages.len() >= 15);
    for message in messages {
        assert!(
            expected.iter().any(|expect| message.contains(expect.as_str())),
            "no bad object for: {message}"
        );
    }
}

#[test]
fn strings_and_lists_of_the_spec_are_bounded() {
    let schema = schema::of(&MonCluster::crd());
    let mut loose = Vec::new();
    schema::unbounded("spec", &schema["properties"]["spec"], &mut loose);
    // Kubernetes' own types have no bounds; no rule looks into them.
    let foreign = ["affinity", "tolerations", "topologySpreadConstraints", "resources"];
    loose.retain(|path| !foreign.iter().any(|name| path.split('.').any(|part| part == *name)));
    assert_eq!(loose, Vec::<String>::new());
}
