//! Shrinks a failing run: leaves out faults as long as it still fails in the same way.

use std::collections::BTreeSet;

use crate::plan::Plan;
use crate::process::Process;
use crate::run::{Report, run};

/// A failing plan with few faults, and its report.
#[must_use]
pub fn minimize<P: Process>(plan: &Plan, failed: &Report) -> (Plan, Report) {
    let Some(first) = &failed.violation else { return (plan.clone(), failed.clone()) };
    let fails = |plan: &Plan| {
        let report = run::<P>(plan.clone(), false);
        report.violation.as_ref().is_some_and(|found| found.invariant == first.invariant).then_some(report)
    };
    let mut best = (plan.clone(), failed.clone());
    best.0.faults_max = failed.faults_drawn;
    let mut chunk = failed.faults_drawn.max(1);
    while chunk > 0 {
        let mut at = 0;
        while at < failed.faults_drawn {
            let chunk_numbers: BTreeSet<u64> = (at..(at + chunk).min(failed.faults_drawn)).collect();
            at += chunk;
            if chunk_numbers.is_subset(&best.0.skipped) {
                continue;
            }
            let mut candidate = best.0.clone();
            candidate.skipped.extend(chunk_numbers);
            if let Some(report) = fails(&candidate) {
                best = (candidate, report);
            }
        }
        chunk /= 2;
    }
    best
}
