//! Asking over TLS. A connection for every request: there are few, and a pod's address may be another's next time.

use std::sync::Arc;

use http::header;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::{Answer, AskError, Asked, Endpoint, Monitors, Request};

/// An answer that is larger is not one of a monitor.
const BODY_BYTES_MAX: usize = 4 << 20;

/// The network.
#[derive(Default)]
pub struct Https {
    /// The configuration for the authorities that were seen last.
    configs: Mutex<Vec<(Arc<str>, Arc<ClientConfig>)>>,
}

/// How many clusters' configurations are kept.
const CONFIGS_MAX: usize = 32;

impl Monitors for Https {
    fn ask<'a>(&'a self, at: &'a Endpoint, request: &'a Request) -> Asked<'a> {
        Box::pin(async move {
            match tokio::time::timeout(request.within, self.send(at, request)).await {
                Ok(answer) => answer,
                Err(_) => Err(AskError::Silent(request.within)),
            }
        })
    }
}

impl Https {
    async fn send(&self, at: &Endpoint, request: &Request) -> Result<Answer, AskError> {
        let config = self.config(&at.access.authorities).await?;
        let name = ServerName::try_from(at.access.server_name.clone()).map_err(failed)?;
        let stream = TcpStream::connect((at.ip, at.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(failed)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        let message = http::Request::builder()
            .method(request.method.clone())
            .uri(&request.path)
            .header(header::HOST, &at.access.server_name)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", at.access.token.as_str()))
            .body(Full::new(bytes::Bytes::from(body)))
            .map_err(failed)?;
        let exchange = async {
            let response = sender.send_request(message).await.map_err(failed)?;
            let status = response.status().as_u16();
            let body = http_body_util::Limited::new(response.into_body(), BODY_BYTES_MAX);
            let body = body.collect().await.map_err(failed)?.to_bytes();
            Ok(Answer { status, body: serde_json::from_slice(&body).unwrap_or_default() })
        };
        // When the connection ends first, the exchange learns of it by itself.
        let connection = async {
            let _ended = connection.await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            answer = exchange => answer,
            () = connection => Err(failed("the connection ended before the answer")),
        }
    }

    async fn config(&self, authorities: &Arc<str>) -> Result<Arc<ClientConfig>, AskError> {
        let mut configs = self.configs.lock().await;
        if let Some((_, config)) = configs.iter().find(|(known, _)| known == authorities) {
            return Ok(config.clone());
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            roots.add(certificate.map_err(failed)?).map_err(failed)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        if configs.len() >= CONFIGS_MAX {
            configs.remove(0);
        }
        configs.push((authorities.clone(), config.clone()));
        Ok(config)
    }
}

fn failed(error: impl std::fmt::Display) -> AskError {
    AskError::Failed(error.to_string())
}
