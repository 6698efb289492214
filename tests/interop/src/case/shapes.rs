//! JSON output has the keys of stock: the same commands through Python's `rados` on a trio of ours and a stock
//! trio of the same release, shapes compared.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::case::{ask_both, both_trios};
use crate::runner::World;
use crate::shape::Shape;

/// Commands that only prepare something to show.
fn preparation() -> Vec<Value> {
    vec![
        json!({"prefix": "config-key set", "key": "shape/one", "val": "1"}),
        json!({"prefix": "config-key set", "key": "shape/two", "-i": "from input"}),
        json!({"prefix": "auth get-or-create", "entity": "client.shape", "caps": ["mon", "allow r"]}),
        json!({"prefix": "log", "logtext": ["shape"]}),
    ]
}

/// Commands whose output is compared, all with `format=json`.
fn questions() -> Vec<Value> {
    let mut all: Vec<Value> = [
        "status",
        "health",
        "fsid",
        "versions",
        "quorum_status",
        "features",
        "time-sync-status",
        "node ls",
        "df",
        "mon dump",
        "mon stat",
        "mon metadata",
        "mon versions",
        "mon feature ls",
        "config-key ls",
        "config-key dump",
        "auth ls",
        "auth export",
        "osd dump",
        "osd stat",
        "mgr dump",
        "mgr stat",
        "fs dump",
        "config dump",
    ]
    .iter()
    .map(|prefix| json!({"prefix": prefix}))
    .collect();
    all.extend([
        json!({"prefix": "health", "detail": "detail"}),
        json!({"prefix": "mon metadata", "id": "a"}),
        json!({"prefix": "mon count-metadata", "property": "ceph_version"}),
        json!({"prefix": "mon ok-to-stop", "ids": ["a"]}),
        json!({"prefix": "config-key get", "key": "shape/one"}),
        json!({"prefix": "config-key exists", "key": "shape/one"}),
        json!({"prefix": "auth get", "entity": "client.shape"}),
        json!({"prefix": "auth get-key", "entity": "client.shape"}),
        json!({"prefix": "auth print-key", "entity": "client.shape"}),
        json!({"prefix": "auth get-or-create", "entity": "client.shape"}),
        json!({"prefix": "auth get-or-create-key", "entity": "client.shape"}),
        json!({"prefix": "log last", "num": 5}),
        json!({"prefix": "log last", "num": 5, "channel": "*"}),
    ]);
    all.iter_mut().for_each(|command| command["format"] = json!("json"));
    all
}

/// Objects whose keys are data.
fn is_map(path: &str) -> bool {
    [".checks", ".progress_events", ".services", ".caps", ".mon", ".mgr", ".osd", ".mds", ".overall", ".node"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// What the osd, mgr, mds and configuration services will answer; until they are there, such a command says
/// EOPNOTSUPP.
const LATER: [&str; 7] = ["df", "osd dump", "osd stat", "mgr dump", "mgr stat", "fs dump", "config dump"];

/// Compares all shapes and result codes.
pub(crate) fn json(world: &World) -> Result<()> {
    let (ours, stock) = both_trios(world)?;
    let commands = [preparation(), questions()].concat();
    let (ours, stock) = ask_both(&ours, &stock, &commands)?;
    let mut found = Vec::new();
    for (command, (ours, stock)) in commands.iter().zip(ours.iter().zip(&stock)) {
        let what = command.to_string();
        let prefix = command["prefix"].as_str().unwrap_or_default();
        if std::env::var_os("INTEROP_SHOW").is_some() {
            println!("{what}: {}\n  ours: {}\n  stock: {}", stock.0, ours.2, stock.2);
        }
        if LATER.contains(&prefix) && ours.0 == -libc_eopnotsupp() {
            continue;
        }
        if ours.0 != stock.0 {
            found.push(format!(
                "{what}: ours returns {} ({}), stock {} ({})",
                ours.0, ours.1, stock.0, stock.1
            ));
            continue;
        }
        if let Err(difference) = compare(prefix, &ours.2, &stock.2) {
            found.extend(difference.into_iter().map(|text| format!("{what}: {text}")));
        }
    }
    ensure!(
        found.is_empty(),
        "{} differences from stock {}:\n{}",
        found.len(),
        world.stock.release,
        found.join("\n")
    );
    Ok(())
}

/// EOPNOTSUPP of Linux.
fn libc_eopnotsupp() -> i32 {
    rustix::io::Errno::OPNOTSUPP.raw_os_error()
}

fn compare(prefix: &str, ours: &str, stock: &str) -> Result<(), Vec<String>> {
    let (ours, stock) = match (serde_json::from_str(ours), serde_json::from_str(stock)) {
        (Ok(ours), Ok(stock)) => (ours, stock),
        // Not JSON in stock either: a keyring, a key, a value.
        (_, Err(_)) => return Ok(()),
        (Err(error), Ok(_)) => return Err(vec![format!("not JSON: {error}: {ours:.80}")]),
    };
    let whole = |path: &str| {
        is_map(path)
            || path.is_empty() && ["config-key dump", "mon versions", "mon count-metadata"].contains(&prefix)
    };
    let mut found = Vec::new();
    // Stock reads /proc and the environment, which a root made for tests lacks or has otherwise.
    let (ours, stock) =
        if prefix == "mon metadata" { (without_host(ours), without_host(stock)) } else { (ours, stock) };
    Shape::differences(&Shape::of(&ours, "", &whole), &Shape::of(&stock, "", &whole), "", &mut found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// A monitor's metadata without what depends on where it runs.
fn without_host(mut value: Value) -> Value {
    let drop = |value: &mut Value| {
        if let Value::Object(keys) = value {
            keys.retain(|key, _| {
                !(key.starts_with("mem_")
                    || key.starts_with("container_")
                    || ["cpu", "distro_version"].contains(&key.as_str()))
            });
        }
    };
    match &mut value {
        Value::Array(all) => all.iter_mut().for_each(drop),
        one => drop(one),
    }
    value
}
