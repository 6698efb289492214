//! One observation in, one decision out.

use moncluster_api::{HealingMode, ValidatedCluster};

use crate::decision::{Decision, Requeue, Row};
use crate::observation::Observation;
use crate::planner::{Choice, Planner};
use crate::report::{self, calm::calm, conditions::conditions};
use crate::row;
use crate::view::View;

/// Decides what to do next. Total and deterministic.
pub fn plan(cluster: &ValidatedCluster, observation: &Observation) -> Decision {
    let interval = cluster.healing().probe_interval.0;
    let caches = &observation.caches;
    let fresh = caches.synced_at.is_some_and(|at| observation.now.since(at) <= interval * 2);
    if !observation.lease_held || !fresh || !caches.errors.is_empty() {
        return Decision {
            row: Row::NotInCharge,
            action: None,
            status: observation.status.clone(),
            events: Vec::new(),
            requeue: Requeue::After(interval),
        };
    }
    let view = View::new(cluster, observation);
    let (status, events) = report::observed(&view);
    let mut p = Planner { view, status, events, blocked: None };
    let choice = match row::first(&row::FIRST, &mut p) {
        Some(choice) => choice,
        None if cluster.spec().paused || cluster.healing().mode != HealingMode::Automatic => {
            let mut would = p.clone();
            let choice = rest(&mut would);
            let (paused, choice) = row::hands_off(p, &would, &choice);
            p = paused;
            choice
        }
        None => rest(&mut p),
    };
    decide(p, choice)
}

fn rest(p: &mut Planner<'_>) -> Choice {
    let choice = row::first(&row::REST, p).unwrap_or_else(|| p.rest(Row::Idle));
    // Where an operation waits or all is well there is time for the objects around the members.
    let idle = choice.action.is_none() && choice.requeue != Requeue::Now && row::leaves_room(choice.row);
    match row::support(p) {
        Some(action) if idle => {
            p.act(if choice.row == Row::Idle { Row::Prepare } else { choice.row }, action)
        }
        Some(_) | None => choice,
    }
}

fn decide(mut p: Planner<'_>, choice: Choice) -> Decision {
    p.status.conditions = conditions(&p.view, &p.status, p.blocked.as_ref());
    let Choice { row, action, requeue } = choice;
    let status = calm(&p.view.seen.status, p.status);
    Decision { row, action, status, events: p.events, requeue }
}
