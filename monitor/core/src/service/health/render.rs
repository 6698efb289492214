//! Health in text and JSON.

use std::fmt::Write as _;

use bytes::Bytes;
use mon_types::health::{HealthCheck, HealthCheckMap, HealthMutes, Severity};
use mon_types::time::UTime;
use serde_json::{Map, Value, json};

use crate::command::arguments::Format;
use crate::command::format;
use crate::stamp;

pub(crate) fn health(
    checks: &HealthCheckMap,
    mutes: &HealthMutes,
    wall: UTime,
    form: Format,
    detail: bool,
) -> Bytes {
    format::text_or_json(form, || text(checks, mutes, wall, detail), || json(checks, mutes, detail))
}

/// The worst severity among checks that are not muted.
pub(crate) fn status(checks: &HealthCheckMap, mutes: &HealthMutes) -> Severity {
    unmuted(checks, mutes).fold(Severity::Ok, |status, (_, check)| status.worst(check.severity))
}

pub(crate) fn unmuted<'a>(
    checks: &'a HealthCheckMap,
    mutes: &'a HealthMutes,
) -> impl Iterator<Item = (&'a String, &'a HealthCheck)> {
    checks.0.iter().filter(|(code, _)| !mutes.0.contains_key(*code))
}

/// `(muted: CODE(59m))`, empty when no raised check is muted.
pub(crate) fn muted_note(checks: &HealthCheckMap, mutes: &HealthMutes, wall: UTime) -> String {
    let notes: Vec<_> = mutes
        .0
        .values()
        .filter(|mute| checks.0.contains_key(&mute.code) || !mute.ttl.is_zero())
        .map(|mute| match left(mute.ttl, wall) {
            None => mute.code.clone(),
            Some(left) => format!("{}({left})", mute.code),
        })
        .collect();
    if notes.is_empty() { String::new() } else { format!("(muted: {})", notes.join(" ")) }
}

fn left(ttl: UTime, wall: UTime) -> Option<String> {
    (!ttl.is_zero()).then(|| age(ttl.to_duration().saturating_sub(wall.to_duration()).as_secs()))
}

/// Seconds in the largest unit of which there are enough, as Ceph shows ages.
pub(crate) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3600),
        172_800..1_209_600 => format!("{}d", seconds / 86_400),
        _ => format!("{}w", seconds / 604_800),
    }
}

fn text(checks: &HealthCheckMap, mutes: &HealthMutes, wall: UTime, detail: bool) -> String {
    let mut out = status(checks, mutes).to_string();
    let mut parts: Vec<String> = unmuted(checks, mutes).map(|(_, check)| check.summary.clone()).collect();
    let note = muted_note(checks, mutes, wall);
    if !note.is_empty() {
        parts.push(note);
    }
    if !parts.is_empty() {
        out.push(' ');
        out.push_str(&parts.join("; "));
    }
    out.push('\n');
    if !detail {
        return out;
    }
    for (code, check) in &checks.0 {
        if let Some(mute) = mutes.0.get(code) {
            let left = left(mute.ttl, wall).map(|left| format!(" ttl {left}")).unwrap_or_default();
            let sticky = if mute.sticky { ", STICKY" } else { "" };
            let _ = write!(out, "(MUTED{left}{sticky}) ");
        }
        let tag = match check.severity {
            Severity::Error => "ERR",
            Severity::Warning => "WRN",
            Severity::Ok => "OK",
        };
        let _ = writeln!(out, "[{tag}] {code}: {}", check.summary);
        for line in &check.detail {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

pub(crate) fn json(checks: &HealthCheckMap, mutes: &HealthMutes, detail: bool) -> Value {
    let shown: Map<String, Value> = checks
        .0
        .iter()
        .map(|(code, check)| {
            let mut out = Map::new();
            out.insert("severity".into(), check.severity.as_str().into());
            out.insert("summary".into(), json!({"message": check.summary, "count": check.count}));
            if detail {
                let lines = check.detail.iter().map(|line| json!({ "message": line }));
                out.insert("detail".into(), lines.collect());
            }
            out.insert("muted".into(), mutes.0.contains_key(code).into());
            (code.clone(), out.into())
        })
        .collect();
    let muted = mutes.0.values().map(|mute| {
        let mut out = Map::new();
        out.insert("code".into(), mute.code.clone().into());
        if !mute.ttl.is_zero() {
            out.insert("ttl".into(), stamp::text(mute.ttl).into());
        }
        out.insert("sticky".into(), mute.sticky.into());
        out.insert("summary".into(), mute.summary.clone().into());
        out.insert("count".into(), mute.count.into());
        Value::from(out)
    });
    let muted: Vec<_> = muted.collect();
    json!({ "status": status(checks, mutes).as_str(), "checks": shown, "mutes": muted })
}
