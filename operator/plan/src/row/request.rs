//! Before row 13: what people asked for once, by annotation. What is not possible now is refused now, with the reason, and
//! not kept for later: who asked is looking. Only where we do not know enough to tell, we look again for a while.

use std::time::Duration;

use moncluster_api::{MemberName, OperationKind, Request, RequestResult, RequestStatus, Verb};

use crate::decision::{Reason, Requeue, Row};
use crate::placement;
use crate::planner::{Choice, Planner, REQUESTED, Start};
use crate::row::replace::REPLACE_MAX;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let text: String = p.view.seen.cluster.request.as_ref()?.chars().take(128).collect();
    let last = p.status.request.as_ref();
    if last.is_some_and(|last| last.request == text) {
        return None;
    }
    let request = match text.parse::<Request>() {
        Ok(request) if last.is_some_and(|last| request.asked <= last.asked) => return None,
        Ok(request) => request,
        Err(error) => {
            let asked = last.map_or_else(|| p.now(), |last| last.asked);
            return Some(refuse(p, asked, text, error.to_string()));
        }
    };
    let asked = request.asked;
    if p.now().since(asked) > Request::AGE_MAX || asked.since(p.now()) > Request::AGE_MAX {
        return Some(refuse(p, asked, text, "it is not from now: ask again".into()));
    }
    let start = match &request.verb {
        Verb::Replace(name) => replace(p, name),
        Verb::StepDown => step_down(p),
    };
    Some(match start {
        Err(Refusal::NotKnown(_)) if p.now().since(asked) < NOT_KNOWN_MAX => return None,
        Err(Refusal::NotKnown(why)) => refuse(p, asked, text, why.into()),
        Err(Refusal::NotPossible(why)) => refuse(p, asked, text, why),
        Ok(start) => {
            p.status.request = Some(RequestStatus {
                asked,
                request: text,
                result: RequestResult::Accepted,
                message: "under way".into(),
            });
            p.begin(Row::Request, start)
        }
    })
}

/// Why what was asked for does not begin.
enum Refusal {
    /// We do not know what we must know.
    NotKnown(&'static str),
    NotPossible(String),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::NotPossible(why)
    }
}

fn replace(p: &mut Planner<'_>, name: &MemberName) -> Result<Start<'static>, Refusal> {
    let view = &p.view;
    if view.map.is_none() || !p.can_begin() {
        return Err(Refusal::NotKnown("the committed monmap is not known now: ask again"));
    }
    if !view.is_voter(name) || p.status.member(name).is_none() {
        let all: Vec<_> = view.voters.iter().map(ToString::to_string).collect();
        return Err(format!("mon.{name} is not a member: members are {}", all.join(", ")).into());
    }
    if !view.others_in_quorum(name) {
        return Err(Refusal::NotPossible("another member is out of quorum: it is healed first".into()));
    }
    if !placement::has_spare(view) {
        return Err(Refusal::NotPossible(
            "there is no spare node for a newcomer: add or uncordon one".into(),
        ));
    }
    p.count_replacement(name, REQUESTED);
    let newcomer = p.newcomer();
    p.tell(
        Reason::ReplaceStarted,
        Some(name),
        format!("replacing mon.{name} by mon.{newcomer}, as requested"),
    );
    Ok(Start {
        kind: OperationKind::Replace,
        target: name.clone(),
        replacement: Some(newcomer),
        reason: REQUESTED,
        within: REPLACE_MAX,
        pod_uid: None,
    })
}

fn step_down(p: &Planner<'_>) -> Result<Start<'static>, Refusal> {
    let leader = p.view.leader().filter(|_| p.view.map.is_some() && p.can_begin());
    let leader = leader.ok_or(Refusal::NotKnown("the leader is not known now: ask again"))?;
    if p.view.in_quorum.len() < 2 {
        return Err(Refusal::NotPossible("there is nobody to hand over to".into()));
    }
    Ok(Start {
        kind: OperationKind::StepDown,
        target: leader.clone(),
        replacement: None,
        reason: REQUESTED,
        within: STEP_DOWN_MAX,
        pod_uid: None,
    })
}

fn refuse(p: &mut Planner<'_>, asked: moncluster_api::Moment, request: String, why: String) -> Choice {
    p.tell(Reason::RequestRefused, None, format!("{request}: {why}"));
    let message = why.chars().take(512).collect();
    p.status.request = Some(RequestStatus { asked, request, result: RequestResult::Refused, message });
    Choice { row: Row::Request, action: None, requeue: Requeue::Now }
}

/// One answer of a monitor that is late must not cost a request.
const NOT_KNOWN_MAX: Duration = Duration::from_secs(60);
const STEP_DOWN_MAX: Duration = Duration::from_secs(30);
