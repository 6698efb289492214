//! Results as tables and as JSON.

use std::time::Duration;

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::failover::{Gap, Plan as FailoverPlan};
use super::load::{Operation, Plan, Step};
use super::{ModeArg, Output};

/// A bar on stderr, where that is a terminal and the result is for people.
pub(super) fn progress(output: Output, ticks: u64) -> ProgressBar {
    if output == Output::Json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} {bar:40} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(ticks).with_style(style)
}

/// Prints the steps of each cluster, and how the first compares with the second.
pub(super) fn load(output: Output, plan: &Plan, mode: ModeArg, results: &[(String, Vec<Step>)]) {
    match output {
        Output::Json => println!("{:#}", load_json(plan, mode, results)),
        Output::Table => println!("{}", load_table(results)),
    }
}

/// Prints the gap of each cluster, and how the first compares with the second.
pub(super) fn failover(output: Output, plan: &FailoverPlan, results: &[(String, Gap)]) {
    match output {
        Output::Json => println!("{:#}", failover_json(plan, results)),
        Output::Table => println!("{}", failover_table(results)),
    }
}

fn load_table(results: &[(String, Vec<Step>)]) -> Table {
    let mut table =
        table(&["cluster", "clients", "per second", "p50 ms", "p90 ms", "p99 ms", "max ms", "errors"]);
    for (name, steps) in results {
        for step in steps {
            let ms = |share| format!("{:.2}", ms(step.latencies.quantile(share)));
            let throughput = format!("{:.0}", step.throughput());
            let (clients, errors) = (step.clients.to_string(), step.errors.to_string());
            table.add_row([name.clone(), clients, throughput, ms(0.5), ms(0.9), ms(0.99), ms(1.0), errors]);
        }
    }
    for (clients, throughput, p50) in ratios(results) {
        let row = ["ratio".into(), clients.to_string(), format!("{throughput:.1}x"), format!("{p50:.2}x")];
        table.add_row(row);
    }
    table
}

fn load_json(plan: &Plan, mode: ModeArg, results: &[(String, Vec<Step>)]) -> Value {
    let clusters = results.iter().map(|(name, steps)| {
        let steps: Vec<Value> = steps.iter().map(step_json).collect();
        json!({ "name": name, "steps": steps })
    });
    let ratios = ratios(results).into_iter().map(
        |(clients, throughput, p50)| json!({ "clients": clients, "throughput": throughput, "p50": p50 }),
    );
    json!({
        "operation": match plan.operation { Operation::Put => "put", Operation::Get => "get" },
        "mode": match mode { ModeArg::Secure => "secure", ModeArg::Crc => "crc" },
        "value_bytes": plan.value_size,
        "seconds": plan.duration.as_secs_f64(),
        "clusters": clusters.collect::<Vec<_>>(),
        "ratios": ratios.collect::<Vec<_>>(),
    })
}

fn step_json(step: &Step) -> Value {
    let quantile = |share| ms(step.latencies.quantile(share));
    json!({
        "clients": step.clients,
        "operations": step.latencies.count(),
        "errors": step.errors,
        "per_second": step.throughput(),
        "latency_ms": {
            "mean": ms(step.latencies.mean()),
            "p50": quantile(0.5),
            "p90": quantile(0.9),
            "p99": quantile(0.99),
            "p999": quantile(0.999),
            "max": quantile(1.0),
        },
    })
}

/// Clients, throughput and p50 of the first cluster as multiples of the second's.
fn ratios(results: &[(String, Vec<Step>)]) -> Vec<(usize, f64, f64)> {
    let [(_, ours), (_, theirs)] = results else { return Vec::new() };
    ours.iter()
        .zip(theirs)
        .map(|(ours, theirs)| {
            let p50 = |step: &Step| step.latencies.quantile(0.5).as_secs_f64();
            (ours.clients, ours.throughput() / theirs.throughput(), p50(ours) / p50(theirs))
        })
        .collect()
}

fn failover_table(results: &[(String, Gap)]) -> Table {
    let mut table =
        table(&["cluster", "monitor", "longest gap ms", "steady gap ms", "slowest write ms", "writes"]);
    for (name, gap) in results {
        let ms = |time| format!("{:.0}", ms(time));
        let monitor = format!("mon.{}", gap.monitor);
        let writes = gap.writes.to_string();
        table.add_row([
            name.clone(),
            monitor,
            ms(gap.longest),
            ms(gap.steady),
            ms(gap.slowest_write),
            writes,
        ]);
    }
    if let Some(ratio) = gap_ratio(results) {
        table.add_row(["ratio".into(), String::new(), format!("{ratio:.3}x")]);
    }
    table
}

fn failover_json(plan: &FailoverPlan, results: &[(String, Gap)]) -> Value {
    let clusters = results.iter().map(|(name, gap)| {
        json!({
            "name": name,
            "monitor": gap.monitor,
            "longest_gap_ms": ms(gap.longest),
            "steady_gap_ms": ms(gap.steady),
            "slowest_write_ms": ms(gap.slowest_write),
            "writes": gap.writes,
        })
    });
    json!({
        "operation": "failover",
        "kill": format!("{:?}", plan.victim).to_lowercase(),
        "signal": format!("{:?}", plan.signal).to_uppercase(),
        "clients": plan.clients,
        "longest_gap_ms": results.first().map(|(_, gap)| ms(gap.longest)),
        "clusters": clusters.collect::<Vec<_>>(),
        "ratio": gap_ratio(results),
    })
}

fn gap_ratio(results: &[(String, Gap)]) -> Option<f64> {
    let [(_, ours), (_, theirs)] = results else { return None };
    Some(ours.longest.as_secs_f64() / theirs.longest.as_secs_f64())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
