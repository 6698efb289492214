//! The doors beside the monitor port: the admin socket and HTTP.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::asok::{self, AdminSocket, AsokError, Process};
use crate::config::Settings;
use crate::exit::{Exit, Failed};
use crate::handle::CoreHandle;
use crate::http::metrics::Metrics;
use crate::http::{self, AppState, HttpConfig, HttpError, Listening, TlsFiles};
use crate::logging::Logs;
use crate::net::NetHandle;

/// Both doors; they close when this is dropped.
pub(crate) struct Endpoints {
    _socket: Option<AdminSocket>,
    http: Option<Listening>,
}

/// What the process itself knows, for the admin socket.
struct Own {
    shown: Vec<(&'static str, String)>,
    logs: Logs,
    net: NetHandle,
    core: CoreHandle,
}

/// Opens those that the settings name.
pub(crate) async fn open(
    settings: &Settings,
    core: &CoreHandle,
    metrics: Arc<Metrics>,
    net: NetHandle,
    logs: Logs,
) -> Result<Endpoints, Failed> {
    let mut socket = None;
    if let Some(path) = &settings.process.admin_socket {
        let own = Own { shown: settings.shown.clone(), logs, net, core: core.clone() };
        match asok::serve(path, core.clone(), Arc::new(own)).await {
            Ok(open) => socket = Some(open),
            Err(error @ AsokError::InUse(_)) => return Err(Failed::new(Exit::AddressInUse, error)),
            // Stock monitors go on without it as well: it is for people, not for the cluster.
            Err(error @ AsokError::Open { .. }) => tracing::warn!("{error}"),
        }
    }
    let mut listening = None;
    if let Some(listen) = settings.http.listen {
        let tls = settings.http.tls.clone().map(|(certificate, key)| TlsFiles { certificate, key });
        let config = HttpConfig { listen, tls, token_file: settings.http.token_file.clone() };
        let open = http::serve(&config, AppState { core: core.clone(), metrics }).await.map_err(failed_by)?;
        tracing::info!(address = %open.address, "serving http");
        listening = Some(open);
    }
    Ok(Endpoints { _socket: socket, http: listening })
}

impl Drop for Endpoints {
    fn drop(&mut self) {
        if let Some(http) = &self.http {
            http.stop();
        }
    }
}

fn failed_by(error: HttpError) -> Failed {
    let exit = match &error {
        HttpError::Bind { source, .. } => Exit::of_bind(source),
        HttpError::Unprotected(_) | HttpError::Tls { .. } | HttpError::Token { .. } => Exit::Configuration,
    };
    Failed::new(exit, error)
}

impl Process for Own {
    fn config(&self) -> Map<String, Value> {
        self.shown.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
    }

    fn perf(&self) -> Value {
        let status = self.core.status();
        let counts = self.net.counts();
        json!({
            "cluster": {
                "num_mon": status.members.iter().filter(|member| member.rank.is_some()).count(),
                "num_mon_quorum": status.quorum.len(),
            },
            "mon": {
                "num_sessions": status.sessions,
                "connections": { "clients": counts.clients, "peers": counts.peers, "unauthenticated": counts.handshakes },
                "counters": status.counters,
            },
            "paxos": status.paxos,
        })
    }

    fn reopen_log(&self) {
        self.logs.reopen();
    }
}
