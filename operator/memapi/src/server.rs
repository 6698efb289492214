//! What the API server answers.

use serde_json::{Value, json};

use crate::kind::{PDBS, PODS, SERVICES};
use crate::object::{self, Look, set, text};
use crate::request::Request;
use crate::selector::{fields_match, labels_match};
use crate::store::{Part, Refused, Store};
use crate::world::State;

type Answer = Result<(u16, Value), Refused>;

/// Carries out a request.
pub(crate) fn answer(state: &mut State, request: &Request) -> Answer {
    if state.is_forbidden(request.kind.plural) {
        let text = format!("{} is forbidden: the operator's role does not allow it", request.kind.plural);
        return Err(Refused::new(403, "Forbidden", text));
    }
    match (request.method.as_str(), request.subresource.as_str()) {
        ("GET", "") if request.name.is_empty() => Ok((200, list(state, request))),
        ("GET", "" | "status") => {
            let key = Store::key(request.kind, &request.namespace, &request.name);
            state
                .store
                .get(&key)
                .map(|object| (200, (**object).clone()))
                .ok_or_else(|| Refused::not_found(&key))
        }
        ("POST", "") => create(state, request),
        ("POST", "eviction") => evict(state, &request.namespace, &request.name, &request.body),
        ("PUT", "") => replace(state, request, Part::Main),
        ("PUT", "status") => replace(state, request, Part::Status),
        ("PATCH", "") => patch(state, request, Part::Main),
        ("PATCH", "status") => patch(state, request, Part::Status),
        ("GET" | "PUT" | "PATCH", "scale") => scale(state, request),
        ("DELETE", "") => {
            let key = Store::key(request.kind, &request.namespace, &request.name);
            let object = state.store.delete(request.kind, &key, &request.body)?;
            Ok(match state.store.get(&key) {
                Some(_) => (200, (*object).clone()),
                None => (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
            })
        }
        (method, subresource) => Err(Refused::new(
            405,
            "MethodNotAllowed",
            format!("{method} of '{subresource}' is not simulated"),
        )),
    }
}

fn list(state: &State, request: &Request) -> Value {
    let here =
        |object: &Value| request.namespace.is_empty() || object::namespace(object) == request.namespace;
    let fits = |object: &Value| {
        labels_match(object, request.parameter("labelSelector"))
            && fields_match(object, request.parameter("fieldSelector"))
    };
    let items: Vec<Value> = state
        .store
        .list(request.kind)
        .filter(|(_, object)| here(object) && fits(object))
        .map(|(_, object)| (**object).clone())
        .collect();
    json!({
        "kind": format!("{}List", request.kind.kind),
        "apiVersion": request.kind.api_version(),
        "metadata": {"resourceVersion": state.store.version.to_string()},
        "items": items,
    })
}

fn create(state: &mut State, request: &Request) -> Answer {
    let mut object = request.body.clone();
    let mut name = text(&object, "/metadata/name").to_owned();
    let prefix = text(&object, "/metadata/generateName").to_owned();
    if name.is_empty() {
        name = format!("{prefix}{}", state.store.version);
    }
    let key = Store::key(request.kind, &request.namespace, &name);
    default_fields(state, request, &mut object);
    state.store.create(request.kind, &key, object).map(|object| (201, (*object).clone()))
}

/// What the server fills in.
fn default_fields(state: &mut State, request: &Request, object: &mut Value) {
    if request.kind == SERVICES && text(object, "/spec/clusterIP").is_empty() {
        let address = state.address("10.96");
        set(object, &["spec", "clusterIP"], address.as_str());
        set(object, &["spec", "clusterIPs"], json!([address]));
    }
}

fn replace(state: &mut State, request: &Request, part: Part) -> Answer {
    let key = Store::key(request.kind, &request.namespace, &request.name);
    let object = request.body.clone();
    state.store.replace(request.kind, &key, part, object).map(|object| (200, (*object).clone()))
}

fn patch(state: &mut State, request: &Request, part: Part) -> Answer {
    let key = Store::key(request.kind, &request.namespace, &request.name);
    let (kind, body) = (request.kind, &request.body);
    let object = if request.content_type.contains("apply-patch") {
        let mut config = body.clone();
        let is_new = state.store.get(&key).is_none();
        let asked = text(&config, "/spec/clusterIP").to_owned();
        if is_new {
            default_fields(state, request, &mut config);
        }
        let applied = state.store.apply(kind, &key, part, request.parameter("fieldManager"), &config)?;
        if is_new && kind == SERVICES && asked.is_empty() {
            // The address is the server's, so leaving it out later does not take it away.
            state.store.disown(&key, request.parameter("fieldManager"), &["clusterIP", "clusterIPs"]);
        }
        applied
    } else {
        state.store.merge(kind, &key, part, body)?
    };
    Ok((200, (*object).clone()))
}

fn scale(state: &mut State, request: &Request) -> Answer {
    let key = Store::key(request.kind, &request.namespace, &request.name);
    if request.method != "GET" {
        let replicas = request.body.look("/spec/replicas").cloned().unwrap_or_default();
        state.store.merge(request.kind, &key, Part::Main, &json!({"spec": {"replicas": replicas}}))?;
    }
    let object = state.store.get(&key).ok_or_else(|| Refused::not_found(&key))?;
    let scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": object.get("metadata"),
        "spec": {"replicas": object.look("/spec/replicas")},
        "status": {"replicas": object.look("/status/replicas").cloned().unwrap_or_else(|| json!(0))},
    });
    Ok((200, scale))
}

/// Deletes a pod if its disruption budget allows it.
pub(crate) fn evict(state: &mut State, namespace: &str, name: &str, body: &Value) -> Answer {
    let key = Store::key(PODS, namespace, name);
    let pod = state.store.get(&key).ok_or_else(|| Refused::not_found(&key))?.clone();
    let guards = state
        .store
        .list(PDBS)
        .filter(|(budget, object)| budget.namespace == key.namespace && selects(object, &pod));
    let is_ready = object::condition(&pod, "Ready") == "True";
    let exhausted = guards.into_iter().any(|(_, budget)| disruptions_allowed(state, budget) == 0);
    if is_ready && exhausted {
        let text = "Cannot evict pod as it would violate the pod's disruption budget.";
        return Err(Refused::new(429, "TooManyRequests", text));
    }
    let options = body.get("deleteOptions").cloned().unwrap_or_default();
    state.store.delete(PODS, &key, &options)?;
    Ok((201, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})))
}

/// Whether a budget, or anything with `spec.selector.matchLabels`, is for a pod.
pub(crate) fn selects(owner: &Value, pod: &Value) -> bool {
    let labels = owner.look("/spec/selector/matchLabels").and_then(Value::as_object);
    labels.is_some_and(|labels| {
        labels.iter().all(|(key, value)| value.as_str() == Some(object::label(pod, key)))
    })
}

/// How many pods may go.
pub(crate) fn disruptions_allowed(state: &State, budget: &Value) -> u64 {
    let namespace = object::namespace(budget);
    let pods: Vec<_> = state
        .store
        .list(PODS)
        .filter(|(key, pod)| key.namespace == namespace && selects(budget, pod))
        .map(|(_, pod)| pod.clone())
        .collect();
    let expected = pods.len() as u64;
    let healthy =
        pods.iter().filter(|pod| object::condition(pod, "Ready") == "True" && !object::is_deleted(pod));
    let healthy = healthy.count() as u64;
    let wanted = match (budget.look("/spec/minAvailable"), budget.look("/spec/maxUnavailable")) {
        (Some(min), _) => min.as_u64().unwrap_or(0),
        (None, Some(max)) => expected.saturating_sub(max.as_u64().unwrap_or(0)),
        (None, None) => expected,
    };
    healthy.saturating_sub(wanted)
}

/// Writes what a budget's status shows.
pub(crate) fn show_budget(state: &mut State) {
    let budgets: Vec<_> = state.store.list(PDBS).map(|(key, budget)| (key.clone(), budget.clone())).collect();
    for (key, budget) in budgets {
        let allowed = disruptions_allowed(state, &budget);
        let generation = budget.look("/metadata/generation").cloned().unwrap_or_default();
        let known = budget.look("/status/disruptionsAllowed").and_then(Value::as_u64);
        if known == Some(allowed) && budget.look("/status/observedGeneration") == Some(&generation) {
            continue;
        }
        state.store.update(PDBS, &key, |object| {
            set(object, &["status", "disruptionsAllowed"], allowed);
            set(object, &["status", "observedGeneration"], generation);
            for field in ["currentHealthy", "desiredHealthy", "expectedPods"] {
                set(object, &["status", field], 0);
            }
        });
    }
}
