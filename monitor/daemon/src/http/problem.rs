//! Errors as `application/problem+json` (RFC 9457).

use axum::Json;
use axum::body::to_bytes;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use mon_core::effect::CommandReply;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::handle::NoAnswer;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The kind of problem in a few words, always the same for a kind.
    pub(crate) title: String,
    /// This problem in a sentence.
    pub(crate) detail: String,
    /// The monitor's result: a negative errno; absent when the monitor was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<i32>,
}

impl Problem {
    /// A problem that the endpoint itself found.
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_lowercase();
        Self { status: status.as_u16(), title, detail: detail.into(), code: None }
    }

    /// A command that the monitor refused.
    pub(crate) fn refused(reply: &CommandReply) -> Self {
        let status = status_of(-reply.code);
        let detail = if reply.message.is_empty() {
            std::io::Error::from_raw_os_error(-reply.code).to_string()
        } else {
            reply.message.clone()
        };
        Self { code: Some(reply.code), ..Self::new(status, detail) }
    }
}

/// The reply when it says success.
pub(crate) fn accepted(reply: CommandReply) -> Result<CommandReply, Problem> {
    if reply.code < 0 { Err(Problem::refused(&reply)) } else { Ok(reply) }
}

/// Longest refusal of the framework's that is passed on.
const REFUSAL_BYTES_MAX: usize = 16 << 10;

/// Makes a problem of what the framework refuses by itself (a body that does not parse, a method that a path does not
/// take), and leaves all other answers alone.
pub(crate) async fn refusals(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !status.is_client_error() || kind.is_some_and(|kind| kind == KIND) {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = to_bytes(body, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let detail = match std::str::from_utf8(&text) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ if status == StatusCode::METHOD_NOT_ALLOWED => {
            "the path does not take this method; see the header Allow, and /v1/openapi.json".into()
        }
        _ => "the request cannot be answered; see /v1/openapi.json".into(),
    };
    let mut response = Problem::new(status, detail).into_response();
    if let Some(methods) = head.headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, methods.clone());
    }
    response
}

/// The media type of problems.
const KIND: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Answers paths that are none of ours.
pub(crate) async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("nothing is at {}; see /v1/openapi.json", uri.path()))
}

/// Linux error numbers and what they mean to a client of HTTP.
fn status_of(errno: i32) -> StatusCode {
    match errno {
        1 | 13 => StatusCode::FORBIDDEN,
        2 => StatusCode::NOT_FOUND,
        4 | 11 | 107 | 110 => StatusCode::SERVICE_UNAVAILABLE,
        7 | 27 => StatusCode::PAYLOAD_TOO_LARGE,
        16 | 17 => StatusCode::CONFLICT,
        22 => StatusCode::BAD_REQUEST,
        28 => StatusCode::INSUFFICIENT_STORAGE,
        95 => StatusCode::NOT_IMPLEMENTED,
        // ECANCELED: a compare-and-swap that found something else.
        125 => StatusCode::PRECONDITION_FAILED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<NoAnswer> for Problem {
    fn from(error: NoAnswer) -> Self {
        let status = match error {
            NoAnswer::Stopping | NoAnswer::Busy => StatusCode::SERVICE_UNAVAILABLE,
            NoAnswer::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, KIND);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
