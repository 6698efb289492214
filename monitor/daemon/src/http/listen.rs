//! Listening: plain or TLS, certificates read again when they change.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::Handle;
use axum_server::accept::DefaultAcceptor;
use axum_server::tls_rustls::RustlsConfig;

use super::access::Access;
use super::door::Door;
use super::{AppState, HttpConfig, HttpError, TlsFiles, router};

/// An open endpoint.
pub(crate) struct Listening {
    /// Where it is; of use when the port was left to the system.
    pub(crate) address: SocketAddr,
    handle: Handle<SocketAddr>,
}

impl Listening {
    /// Stops listening and ends connections that are idle; streams are cut.
    pub(crate) fn stop(&self) {
        self.handle.graceful_shutdown(Some(GRACE));
    }
}

/// How long requests in flight may take to end when the process stops.
const GRACE: Duration = Duration::from_millis(500);
/// How often certificates are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(10);

/// Opens the endpoint and serves it in the background.
pub(crate) async fn serve(config: &HttpConfig, state: AppState) -> Result<Listening, HttpError> {
    let HttpConfig { listen, tls, token_file, connections_max, patience } = config;
    if !listen.ip().is_loopback() && (tls.is_none() || token_file.is_none()) {
        return Err(HttpError::Unprotected(*listen));
    }
    let access = Arc::new(Access::new(token_file.as_deref())?);
    let service = router(state, access).into_make_service();
    let bind = |source| HttpError::Bind { address: *listen, source };
    let listener = TcpListener::bind(listen).map_err(bind)?;
    listener.set_nonblocking(true).map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    let handle = Handle::new();
    match tls {
        Some(files) => {
            let certificates = load(files).await?;
            tokio::spawn(reload(files.clone(), certificates.clone()));
            let server =
                axum_server::from_tcp_rustls(listener, certificates).map_err(bind)?.handle(handle.clone());
            // Under the encryption: handshakes are watched, too.
            let server = server
                .map(|tls| tls.acceptor(Door::new(DefaultAcceptor::new(), *connections_max, *patience)));
            tokio::spawn(async move { report(server.serve(service).await) });
        }
        None => {
            let server = axum_server::from_tcp(listener).map_err(bind)?.handle(handle.clone());
            let server = server.map(|plain| Door::new(plain, *connections_max, *patience));
            tokio::spawn(async move { report(server.serve(service).await) });
        }
    }
    Ok(Listening { address, handle })
}

fn report(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(%error, "http endpoint ended");
    }
}

async fn load(files: &TlsFiles) -> Result<RustlsConfig, HttpError> {
    // The process may have installed it already, for another endpoint.
    let _ = rustls::crypto::ring::default_provider().install_default();
    RustlsConfig::from_pem_file(&files.certificate, &files.key)
        .await
        .map_err(|source| HttpError::Tls { certificate: files.certificate.clone(), source })
}

async fn reload(files: TlsFiles, certificates: RustlsConfig) {
    let mut loaded = stamps(&files);
    let mut clock = tokio::time::interval(RELOAD_EVERY);
    loop {
        clock.tick().await;
        let present = stamps(&files);
        if present == loaded {
            continue;
        }
        match certificates.reload_from_pem_file(&files.certificate, &files.key).await {
            Ok(()) => {
                tracing::info!("tls certificate reloaded");
                loaded = present;
            }
            // Certificate and key are two files: the other one may follow in a moment.
            Err(error) => tracing::warn!(%error, "tls certificate not reloaded, the previous one stays"),
        }
    }
}

fn stamps(files: &TlsFiles) -> [Option<SystemTime>; 2] {
    [&files.certificate, &files.key]
        .map(|file| std::fs::metadata(file).and_then(|about| about.modified()).ok())
}
