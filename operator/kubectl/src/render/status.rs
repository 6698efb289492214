//! The one screen.

use moncluster_api::{ConditionStatus, OperationResult};

use super::members::short;
use crate::screen::Screen;

/// Quorum, operation, budget, alerts, members, what was done last.
pub(crate) fn status(screen: &Screen) -> String {
    let status = &screen.status;
    let quorum = &status.quorum;
    let mut text = String::new();
    let ready = status.condition("Ready");
    let ready = match ready {
        Some(ready) => format!("Ready {} ({})", ready.status, ready.reason),
        None => "not looked at yet".into(),
    };
    let mut line = |name: &str, value: String| {
        text.push_str(format!("{name:<10} {value}").trim_end());
        text.push('\n');
    };
    line("MonCluster", format!("{}/{}: {ready}", screen.namespace, screen.name));
    if let Some(fsid) = &status.fsid {
        line("fsid", fsid.clone());
    }
    let leader =
        quorum.leader.as_ref().map_or_else(|| "no leader".into(), |leader| format!("mon.{leader} leads"));
    let seen = quorum.observed_time.map_or_else(String::new, |at| match screen.now.since(at).as_secs() {
        0..90 => String::new(),
        _ => format!(" (seen {} ago)", screen.ago(at)),
    });
    let spare = format!("tolerates {} more", quorum.fault_tolerance);
    line(
        "Quorum",
        format!("{} {} of {}, {leader}, {spare}{seen}", quorum.state, quorum.summary, screen.replicas),
    );
    match &status.operation {
        None => line("Operation", "none".into()),
        Some(operation) => {
            let age = screen.ago(operation.started_time);
            let left = match operation.deadline_time > screen.now {
                true => format!("given up in {}", screen.until(operation.deadline_time)),
                false => "past its deadline".into(),
            };
            line("Operation", format!("{} for {age}, {left} ({})", operation.summary, operation.reason));
            line("", operation.message.clone());
            if let Some(why) = &operation.abort {
                line("", format!("being taken back: {why}"));
            }
        }
    }
    let budget = match screen.disruptions_allowed {
        None => "no PodDisruptionBudget".into(),
        Some(0) => "0 pods may be evicted now: drains wait".into(),
        Some(count) => format!("{count} pod(s) may be evicted now"),
    };
    line("Budget", budget);
    let alerts = alerts(screen);
    if alerts.is_empty() {
        line("Alerts", "none".into());
    }
    for (index, alert) in alerts.iter().enumerate() {
        line(if index == 0 { "Alerts" } else { "" }, alert.clone());
    }
    if let Some(recovery) = &status.recovery {
        let candidates: Vec<_> = recovery
            .candidates
            .iter()
            .map(|one| {
                let answers = if one.reachable { "answers" } else { "silent" };
                format!("mon.{} at version {} ({answers})", one.name, one.last_committed)
            })
            .collect();
        line("Stores", candidates.join(", "));
    }
    if let Some(request) = &status.request {
        line("Request", format!("{} {:?}: {}", request.request, request.result, request.message));
    }
    text.push('\n');
    text.push_str(&short(screen));
    for (index, done) in status.history.iter().take(3).enumerate() {
        let heading = if index == 0 { "\nDone" } else { "" };
        let mark = match done.result {
            OperationResult::Succeeded => "",
            OperationResult::Aborted => "given up: ",
        };
        let ended = done.started_time.after(std::time::Duration::from_secs(done.duration_seconds));
        text.push_str(&format!(
            "{heading}{}  {} ago  {} in {}s: {mark}{}\n",
            if index == 0 { "\n" } else { "" },
            screen.ago(ended),
            done.kind,
            done.duration_seconds,
            done.message
        ));
    }
    text
}

/// What somebody should know: conditions that are not as they should be, and that nobody looks.
pub(crate) fn alerts(screen: &Screen) -> Vec<String> {
    let mut alerts = Vec::new();
    let silent = screen.status.quorum.observed_time.filter(|at| screen.now.since(*at).as_secs() >= 90);
    if let Some(at) = silent {
        alerts.push(format!("the operator has said nothing for {}: is it running?", screen.ago(at)));
    }
    if screen.paused {
        alerts.push("paused: nothing is healed or changed".into());
    }
    for condition in &screen.status.conditions {
        let good = match condition.kind.as_str() {
            "Progressing" if condition.reason == "UpdateStalled" => ConditionStatus::True,
            // Both are said elsewhere on the screen.
            "Progressing" | "Ready" => continue,
            "Healing" if condition.reason == "Paused" => continue,
            "Degraded" => ConditionStatus::False,
            _ => ConditionStatus::True,
        };
        if condition.status != good {
            let what = format!("{} {}: {}", condition.kind, condition.status, condition.reason);
            let message =
                if condition.message.is_empty() { String::new() } else { format!(", {}", condition.message) };
            alerts.push(format!("{what}{message}"));
        }
    }
    alerts
}
