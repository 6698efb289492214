//! What is wrong, and what to do about it.

use std::collections::BTreeMap;

use moncluster_api::{CauseOfOutage, QuorumState};

use crate::render::alerts;
use crate::screen::Screen;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) grade: Grade,
    pub(crate) what: String,
    /// What to do; empty where nothing is to be done.
    pub(crate) advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    Good,
    Look,
    Bad,
}

/// Looks at everything. `said` is what each monitor says of its readiness, by name.
pub(crate) fn examine(screen: &Screen, said: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = vec![quorum(screen), operator(screen)];
    findings.extend(screen.status.members.iter().filter_map(|member| {
        let cause = member.out_cause?;
        let name = &member.name;
        let own = said.get(name.as_str()).map_or_else(String::new, |text| format!("; it says: {text}"));
        Some(Finding {
            grade: Grade::Look,
            what: format!("mon.{name} is out of quorum: {cause}{own}"),
            advice: advice(cause).into(),
        })
    }));
    if let Some(operation) = screen.status.operation.as_ref().filter(|one| one.deadline_time < screen.now) {
        findings.push(Finding {
            grade: Grade::Look,
            what: format!("{} is past its deadline: {}", operation.summary, operation.message),
            advice: "see what it waits for: the pods of the members it names, and the operator's log".into(),
        });
    }
    let told = ["the operator has said", "Available", "Degraded", "FaultTolerant", "UpToDate"];
    for alert in alerts(screen).into_iter().filter(|alert| !told.iter().any(|told| alert.starts_with(told))) {
        findings.push(Finding { grade: Grade::Look, what: alert, advice: String::new() });
    }
    if screen.disruptions_allowed.is_none() && screen.replicas >= 3 {
        findings.push(Finding {
            grade: Grade::Look,
            what: "there is no PodDisruptionBudget: a drain may take several members at once".into(),
            advice: "set spec.disruption.pdb to Auto".into(),
        });
    }
    findings
}

fn quorum(screen: &Screen) -> Finding {
    let quorum = &screen.status.quorum;
    let what = format!("quorum {}: {}", quorum.state, quorum.summary);
    let (grade, advice) = match quorum.state {
        QuorumState::Full if quorum.fault_tolerance == 0 && screen.replicas >= 3 => {
            (Grade::Look, "too few monitors vote yet: see what the operator waits for")
        }
        QuorumState::Full => (Grade::Good, ""),
        QuorumState::Degraded => (Grade::Look, "the operator heals what it can: see the members below"),
        QuorumState::AtRisk => {
            (Grade::Bad, "one more failure ends the quorum: leave the other members alone")
        }
        QuorumState::Lost => {
            (Grade::Bad, "bring back nodes or volumes of members; docs/operator.md, \"Quorum lost\"")
        }
        QuorumState::Unknown if !screen.status.bootstrapped => {
            (Grade::Look, "the first monitor is being made: see the operation and its pod")
        }
        QuorumState::Unknown => {
            (Grade::Bad, "too few monitors answer the operator: see pods, nodes and network policies")
        }
    };
    Finding { grade, what, advice: advice.into() }
}

fn operator(screen: &Screen) -> Finding {
    match screen.status.quorum.observed_time {
        Some(at) if screen.now.since(at).as_secs() < 90 => {
            Finding { grade: Grade::Good, what: "the operator looks after it".into(), advice: String::new() }
        }
        Some(at) => Finding {
            grade: Grade::Bad,
            what: format!("the operator has said nothing for {}", screen.ago(at)),
            advice: "see its Deployment: the monitors go on without it, and nothing is healed".into(),
        },
        None => Finding {
            grade: Grade::Bad,
            what: "the operator has never looked at it".into(),
            advice: "is it installed, and does it watch this namespace?".into(),
        },
    }
}

const fn advice(cause: CauseOfOutage) -> &'static str {
    match cause {
        CauseOfOutage::VolumeLost | CauseOfOutage::StoreCorrupt | CauseOfOutage::AddressLost => {
            "it is replaced at once, given a spare node"
        }
        CauseOfOutage::NodeDeleted | CauseOfOutage::OutOfService => {
            "it is replaced at once, given a spare node"
        }
        CauseOfOutage::NodeUnreachable => {
            "bring the node back; or delete it, or taint it node.kubernetes.io/out-of-service, to replace it now"
        }
        CauseOfOutage::PodFailing => "see kubectl describe and kubectl logs of its pod",
        CauseOfOutage::Drained => "uncordon the node; or kubectl moncluster replace",
        CauseOfOutage::Partitioned => "see the network of its node",
        CauseOfOutage::SyncStalled => "see its log: it copies a store and gets no further",
        CauseOfOutage::Synchronizing => "wait: it copies a store",
        CauseOfOutage::Electing => "wait; if it lasts, see the network between it and the others",
        CauseOfOutage::Foreign => "its volume belongs to another cluster: see docs/operator.md",
    }
}

/// Text for people.
pub(crate) fn report(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding { grade, what, advice } in findings {
        let mark = match grade {
            Grade::Good => "ok  ",
            Grade::Look => "look",
            Grade::Bad => "BAD ",
        };
        text.push_str(&format!("{mark}  {what}\n"));
        if !advice.is_empty() {
            text.push_str(&format!("      -> {advice}\n"));
        }
    }
    text
}

/// 0, 2 or 3; 1 is for what could not be found out.
pub(crate) fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.grade).max() {
        None | Some(Grade::Good) => 0,
        Some(Grade::Look) => 2,
        Some(Grade::Bad) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(name: &str) -> Screen {
        let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    #[test]
    fn exit_codes_tell_how_bad_it_is() {
        for (name, code) in [("full", 0), ("replacing", 2), ("lost", 3), ("new", 2)] {
            let findings = examine(&screen(name), &BTreeMap::new());
            assert_eq!(exit_code(&findings), code, "{name}: {findings:#?}");
        }
    }

    #[test]
    fn a_silent_operator_is_bad_whatever_the_quorum_was() {
        let mut screen = screen("full");
        screen.now = screen.now.after(std::time::Duration::from_secs(600));
        let findings = examine(&screen, &BTreeMap::new());
        assert_eq!(exit_code(&findings), 3);
        assert!(report(&findings).contains("said nothing for 10m"));
    }

    #[test]
    fn what_a_monitor_says_itself_is_passed_on() {
        let said = BTreeMap::from([("b".to_owned(), "electing, not in quorum".to_owned())]);
        assert!(report(&examine(&screen("replacing"), &said)).contains("it says: electing, not in quorum"));
    }
}
