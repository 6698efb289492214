//! Reading, writing and watching keys.

use std::io::{BufRead, BufReader, Read, Write};

use serde::Deserialize;
use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{Client, CtlError, escaped};
use super::show::{json as print_json, table};
use super::{KvAction, Output};

/// The fields of a page that we use.
#[derive(Debug, Deserialize)]
struct Keys {
    version: u64,
    keys: Vec<String>,
    next: Option<String>,
}

pub(super) fn run(client: &Client, action: KvAction, out: &mut impl Write) -> Result<(), CtlError> {
    match action {
        KvAction::Get { key } => get(client, &key, out),
        KvAction::Put { key, value, if_revision } => put(client, &key, value, if_revision, out),
        KvAction::Delete { key, if_revision } => {
            let answer = client.ask(Method::DELETE, &path(&key), &condition(if_revision), None)?;
            // Without a condition it is no error that there was none.
            let what = if if_revision.is_some() { "removed" } else { "not there any more" };
            changed(client, &answer.bytes()?, what, out)
        }
        KvAction::List { prefix } => list(client, &prefix, out),
        KvAction::Watch { prefix, after } => watch(client, &prefix, after, out),
    }
}

fn get(client: &Client, key: &str, out: &mut impl Write) -> Result<(), CtlError> {
    let answer = client.ask(Method::GET, &path(key), &[], None)?;
    let revision: Option<u64> = answer.header("etag").and_then(|tag| tag.trim_matches('"').parse().ok());
    let value = answer.bytes()?;
    if client.output == Output::Json {
        let text = std::str::from_utf8(&value).ok();
        return print_json(
            out,
            &json!({"key": key, "revision": revision, "size": value.len(), "value": text}),
        );
    }
    out.write_all(&value)?;
    if value.last().is_some_and(|byte| *byte != b'\n') && std::io::IsTerminal::is_terminal(&std::io::stdout())
    {
        writeln!(out)?;
    }
    Ok(())
}

fn put(
    client: &Client,
    key: &str,
    value: String,
    if_revision: Option<u64>,
    out: &mut impl Write,
) -> Result<(), CtlError> {
    let value = if value == "-" {
        let mut input = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut input);
        read.map_err(|source| CtlError::File { file: "standard input".into(), source })?;
        input
    } else {
        value.into_bytes()
    };
    let answer = client.ask(Method::PUT, &path(key), &condition(if_revision), Some(&value))?;
    changed(client, &answer.bytes()?, "set", out)
}

fn list(client: &Client, prefix: &str, out: &mut impl Write) -> Result<(), CtlError> {
    let mut all = Vec::new();
    let mut after = String::new();
    let version = loop {
        let path = format!("/v1/kv?limit=10000&prefix={}&after={}", escaped(prefix), escaped(&after));
        let page: Keys = client.get(&path)?;
        all.extend(page.keys);
        match page.next {
            Some(next) => after = next,
            None => break page.version,
        }
    };
    if client.output == Output::Json {
        return print_json(out, &json!({"version": version, "keys": all}));
    }
    let mut table = table(["KEY"]);
    for key in all {
        table.add_row([key]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// Prints events until the stream ends, one line each.
fn watch(client: &Client, prefix: &str, after: Option<u64>, out: &mut impl Write) -> Result<(), CtlError> {
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    let answer =
        client.ask(Method::GET, &format!("/v1/watch?prefix={}{after}", escaped(prefix)), &[], None)?;
    let mut name = String::new();
    for line in BufReader::new(answer.reader()).lines() {
        let line = line?;
        if let Some(event) = line.strip_prefix("event: ") {
            name = event.into();
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        if name == "gone" {
            return Err(CtlError::Strange { url: "the watch".into(), reason: data.into() });
        }
        let event: Value = serde_json::from_str(data).unwrap_or_default();
        match client.output {
            Output::Json => print_json(out, &event)?,
            Output::Table => {
                let key = event["key"].as_str().unwrap_or_default();
                let shown = match (event["value"].as_str(), event["size"].as_u64()) {
                    (Some(text), _) => format!(" = {text}"),
                    (None, Some(size)) => format!(" = {size} bytes"),
                    (None, None) => " removed".into(),
                };
                writeln!(out, "{} {key}{shown}", event["version"])?;
            }
        }
        out.flush()?;
    }
    Ok(())
}

fn path(key: &str) -> String {
    format!("/v1/kv/{}", escaped(key))
}

fn condition(if_revision: Option<u64>) -> Vec<(&'static str, String)> {
    match if_revision {
        None => Vec::new(),
        Some(0) => vec![("if-none-match", "*".into())],
        Some(revision) => vec![("if-match", format!("\"{revision}\""))],
    }
}

/// A condition that held is answered with the new revision; without one there is nothing to say.
fn changed(client: &Client, answer: &[u8], what: &str, out: &mut impl Write) -> Result<(), CtlError> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_else(|_| json!({}));
    match (client.output, answer["revision"].as_u64()) {
        (Output::Json, _) => print_json(out, &answer),
        (Output::Table, Some(revision)) => Ok(writeln!(out, "{what}, revision {revision}")?),
        (Output::Table, None) => Ok(writeln!(out, "{what}")?),
    }
}
