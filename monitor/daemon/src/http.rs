//! The HTTP endpoint.
//!
//! | path | for | needs the token |
//! |---|---|---|
//! | `/livez` `/startupz` `/readyz` (`?verbose`) | kubelet | no |
//! | `/metrics` | Prometheus | no |
//! | `/v1/...` | operators and programs | yes, when one is configured |
//!
//! Without both TLS and a token the endpoint listens on loopback only. Errors are `application/problem+json`
//! (RFC 9457). One router serves everything and the OpenAPI document is generated from it.

mod access;
pub(crate) mod address_file;
mod door;
mod listen;
pub(crate) mod metrics;
mod probes;
pub(crate) mod problem;
mod v1;
pub(crate) mod view;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;

use crate::handle::CoreHandle;
use access::Access;
pub(crate) use listen::{Listening, serve};
use metrics::Metrics;

/// Where and how to listen.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    /// The address; port 0 takes any free one.
    pub(crate) listen: SocketAddr,
    /// Certificate and key; none for plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
    /// A file whose first line is the token that `/v1` asks for.
    pub(crate) token_file: Option<PathBuf>,
    /// Most connections at a time.
    pub(crate) connections_max: usize,
    /// How long a client may take over a handshake, a request's head, its body, or any part of the answer.
    pub(crate) patience: Duration,
}

/// PEM files, read again when they change.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    /// The certificate chain, leaf first.
    pub(crate) certificate: PathBuf,
    /// Its private key.
    pub(crate) key: PathBuf,
}

/// Why the endpoint cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Reachable from outside without protection.
    #[error(
        "the http endpoint may listen on {0} only with both a tls certificate and a token file; configure them, or \
         listen on a loopback address"
    )]
    Unprotected(SocketAddr),
    /// The address is taken or not ours.
    #[error("cannot listen for http on {address}: {source}; choose another address or port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate or key that cannot be used.
    #[error(
        "cannot use the tls certificate {certificate}: {source}; check that certificate and key belong together"
    )]
    Tls {
        /// The certificate's file.
        certificate: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// A token file that cannot be read or is empty.
    #[error("cannot read a token from {file}: {reason}; put one line of at least 16 characters into it")]
    Token {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// What the handlers work with.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) core: CoreHandle,
    pub(crate) metrics: Arc<Metrics>,
}

/// All routes.
pub(crate) fn router(state: AppState, access: Arc<Access>) -> Router {
    let v1 =
        v1::router().layer(middleware::from_fn_with_state(access, access::check)).with_state(state.clone());
    Router::new()
        .route("/livez", get(probes::livez))
        .route("/startupz", get(probes::startupz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(metrics::show))
        .with_state(state)
        .merge(v1)
        .fallback(problem::not_found)
        .layer(middleware::map_response(problem::refusals))
}

#[cfg(test)]
pub(crate) mod http_test;
