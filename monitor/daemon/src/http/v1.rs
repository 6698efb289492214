//! `/v1`: the cluster for programs. Each request becomes a monitor command with full rights (the token is
//! the right), so what HTTP changes goes through the same checks and Paxos rounds as `ceph` commands.

#![allow(unused_qualifications, reason = "utoipa's macro repeats type names")]

mod cluster;
mod events;
mod kv;
mod members;

use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use mon_core::effect::CommandReply;
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::problem::{Problem, accepted};

/// The head of the OpenAPI document; paths and schemas come from the router.
#[derive(OpenApi)]
#[openapi(
    info(title = "moncluster monitor", description = "Status, membership, keys and log of a Ceph monitor cluster."),
    tags(
        (name = "cluster", description = "What the cluster is and does."),
        (name = "members", description = "Who votes and who follows."),
        (name = "kv", description = "Ceph's config keys, with compare-and-swap and watches."),
    )
)]
struct Document;

/// All routes below `/v1`, with the document that describes them.
pub(super) fn router() -> Router<AppState> {
    let (router, document) = parts();
    router.route("/v1/openapi.json", get(async move || Json(document)))
}

/// The routes, and the document in the words of OpenAPI: axum marks a parameter that may hold slashes by a `*`, which
/// OpenAPI does not know.
fn parts() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, mut document) = routes().split_for_parts();
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    let scheme = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("The first line of the monitor's token file, where it has one."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(TOKEN, SecurityScheme::Http(scheme));
    // The second: nothing, on loopback without a token file.
    let none: [&str; 0] = [];
    document.security = Some(vec![SecurityRequirement::new(TOKEN, none), SecurityRequirement::default()]);
    (router, document)
}

/// The name of the security scheme.
const TOKEN: &str = "token";

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(cluster::status))
        .routes(routes!(cluster::quorum))
        .routes(routes!(cluster::monmap))
        .routes(routes!(cluster::log))
        .routes(routes!(events::events))
        .routes(routes!(members::list, members::add))
        .routes(routes!(members::remove))
        .routes(routes!(members::replace))
        .routes(routes!(members::learners, members::learner_add))
        .routes(routes!(members::learner_remove))
        .routes(routes!(members::step_down))
        .routes(routes!(kv::list))
        .routes(routes!(kv::watch))
        .routes(routes!(kv::get, kv::put, kv::delete))
}

/// Runs a command that answers in JSON.
async fn command_json(state: &AppState, mut command: Value) -> Result<Value, Problem> {
    command["format"] = "json".into();
    let reply = command_bytes(state, command, Bytes::new()).await?;
    serde_json::from_slice(&reply.output).map_err(|error| {
        let detail = format!("the monitor's answer is not json: {error}");
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, detail)
    })
}

/// Runs a command; a result below 0 is a problem.
async fn command_bytes(state: &AppState, command: Value, input: Bytes) -> Result<CommandReply, Problem> {
    accepted(state.core.command(command, input).await?)
}

/// Runs a command that changes something and answers in a line for people.
async fn command_done(state: &AppState, command: Value) -> Result<Json<Done>, Problem> {
    let reply = command_bytes(state, command, Bytes::new()).await?;
    Ok(Json(Done { message: reply.message }))
}

/// A change that was committed.
#[derive(Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
struct Done {
    /// What was done, for people.
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes the interface sees the change in the document that is checked in.
    #[test]
    fn the_document_is_the_one_in_docs() {
        let text = parts().1.to_pretty_json().unwrap() + "\n";
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(file, &text).unwrap();
        }
        let known = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            known == text,
            "openapi.json is out of date; run the test with UPDATE_OPENAPI=1 and look at the difference"
        );
    }

    #[test]
    fn every_operation_has_a_summary_and_a_tag() {
        let document = serde_json::to_value(parts().1).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.len() >= 13, "{} paths", paths.len());
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().unwrap() {
                assert!(operation["summary"].is_string() && operation["tags"].is_array(), "{method} {path}");
                let problem = &operation["responses"]["default"]["content"]["application/problem+json"];
                assert!(problem.is_object(), "{method} {path} does not say how it fails");
                // OpenAPI 3.1 wants it of every response.
                let mut responses = operation["responses"].as_object().unwrap().values();
                assert!(responses.all(|response| response["description"].is_string()), "{method} {path}");
            }
        }
    }

    #[test]
    fn programs_that_are_made_from_the_document_find_keys_and_show_the_token() {
        let document = serde_json::to_value(parts().1).unwrap();
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.contains_key("/v1/kv/{key}"));
        assert!(paths.keys().all(|path| !path.contains('*')), "{:?}", paths.keys());
        let scheme = &document["components"]["securitySchemes"]["token"];
        assert_eq!((&scheme["type"], &scheme["scheme"]), (&"http".into(), &"bearer".into()));
        assert_eq!(document["security"], serde_json::json!([{"token": []}, {}]));
    }
}
