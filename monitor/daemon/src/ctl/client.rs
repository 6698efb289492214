//! A client of the HTTP endpoint.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use super::{Endpoint, Output, local};
use crate::http::problem::Problem;

/// Asks one endpoint.
pub(crate) struct Client {
    agent: Agent,
    url: String,
    token: Option<Zeroizing<String>>,
    pub(super) output: Output,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CtlError {
    /// Nobody there, or not by that name.
    #[error("cannot reach {url}: {source}; is the monitor running, and is --url right?")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        source: ureq::Error,
    },
    /// Somebody is there, whose certificate proves nothing to us.
    #[error(
        "the certificate of {url} is not trusted: {source}; name the file of the authority that signed it with \
         --ca-file, and the host as the certificate names it with --url"
    )]
    Untrusted {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// No file there names an endpoint that listens.
    #[error(
        "no {who} with an http endpoint is running here, by the files in {folder}; name one with --url, or the \
         monitors' run_dir with --run-dir"
    )]
    NoneHere {
        /// Whom we looked for.
        who: String,
        /// Where we looked.
        folder: String,
    },
    /// Not a URL.
    #[error("--url {0} is no url of an endpoint: use http://IP:PORT or https://HOST:PORT")]
    Url(String),
    /// A file of ours that cannot be read.
    #[error("cannot read {file}: {source}")]
    File {
        /// Its path.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The endpoint says no.
    #[error("{}", .0.detail)]
    Refused(Problem),
    /// An answer that cannot be understood.
    #[error("{url} is not a monitor's endpoint, or of another version: {reason}")]
    Strange {
        /// What was asked.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The reader of our output has gone.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// What was answered.
pub(super) struct Answer {
    url: String,
    response: Response<Body>,
}

/// Whom to trust when nothing else is said: where Debian and its relatives keep their authorities.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Longest answer that is read, except of watches.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longer than an endpoint lets a request wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// An agent that trusts the given authorities (PEM), or none. Results below 200 or from 300 on are answers,
/// not errors.
pub(crate) fn http_agent(authorities: Option<&[u8]>) -> Result<Agent, String> {
    // Another part of the process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut certificates = Vec::new();
    for item in authorities.into_iter().flat_map(ureq::tls::parse_pem) {
        if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            certificates.push(certificate);
        }
    }
    if authorities.is_some() && certificates.is_empty() {
        return Err("it holds no certificate".into());
    }
    let roots = RootCerts::from(certificates.iter().map(Certificate::to_owned));
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(ANSWER_WITHIN))
        .build();
    Ok(config.into())
}

impl Client {
    /// As the command line says.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, CtlError> {
        let read = |file: &Path| {
            let error = |source| CtlError::File { file: file.display().to_string(), source };
            std::fs::read(file).map(Zeroizing::new).map_err(error)
        };
        let of_system = Path::new(SYSTEM_AUTHORITIES);
        let url = match &endpoint.url {
            Some(url) if url.starts_with("http://") || url.starts_with("https://") => url.clone(),
            Some(url) => return Err(CtlError::Url(url.clone())),
            None => local::find(&endpoint.run_dir, endpoint.mon.as_deref())?,
        };
        let of_system = (url.starts_with("https:") && of_system.exists()).then_some(of_system);
        let authorities = endpoint.ca_file.as_deref().or(of_system).map(read).transpose()?;
        let agent = http_agent(authorities.as_ref().map(|pem| pem.as_slice())).map_err(|reason| {
            let file = endpoint.ca_file.as_deref().map(|file| file.display().to_string()).unwrap_or_default();
            CtlError::File { file, source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason) }
        })?;
        let token = endpoint.token_file.as_deref().map(read).transpose()?.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            Zeroizing::new(text.lines().next().unwrap_or_default().trim().to_owned())
        });
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { agent, url, token, output: endpoint.output })
    }

    /// Asks; anything but success is an error.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Option<&[u8]>,
    ) -> Result<Answer, CtlError> {
        let url = format!("{}{path}", self.url);
        let mut request = Request::builder().method(method).uri(&url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {}", token.as_str()));
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let strange = |reason: String| CtlError::Strange { url: url.clone(), reason };
        let request = request.body(body.unwrap_or_default()).map_err(|error| strange(error.to_string()))?;
        let sent = self.agent.run(request);
        let response = sent.map_err(|source| unanswered(url.clone(), source))?;
        let status = response.status();
        let answer = Answer { url: url.clone(), response };
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.bytes()?;
        match serde_json::from_slice(&text) {
            Ok(problem) => Err(CtlError::Refused(problem)),
            Err(_) => Err(strange(format!("it answered {status}"))),
        }
    }

    /// Gets JSON.
    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, CtlError> {
        self.ask(Method::GET, path, &[], None)?.json()
    }

    /// Sends JSON, gets JSON.
    pub(super) fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, CtlError> {
        let headers = [("content-type", "application/json".to_owned())];
        let body = body.map(|body| body.to_string());
        let headers = if body.is_some() { &headers[..] } else { &[] };
        self.ask(method, path, headers, body.as_ref().map(String::as_bytes))?.json()
    }
}

/// Why there is no answer: nobody, or somebody that we do not trust.
fn unanswered(url: String, source: ureq::Error) -> CtlError {
    let tls = match &source {
        ureq::Error::Rustls(error) => Some(error),
        // During the handshake rustls speaks through the socket's errors.
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    match tls {
        Some(error @ rustls::Error::InvalidCertificate(_)) => {
            CtlError::Untrusted { url, source: error.clone() }
        }
        _ => CtlError::Unreachable { url, source },
    }
}

impl Answer {
    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The whole body.
    pub(super) fn bytes(self) -> Result<Vec<u8>, CtlError> {
        let mut response = self.response;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        body.map_err(|source| CtlError::Unreachable { url: self.url, source })
    }

    /// The body as it comes.
    pub(super) fn reader(self) -> impl Read {
        self.response.into_body().into_reader()
    }

    fn json<T: serde::de::DeserializeOwned>(self) -> Result<T, CtlError> {
        let url = self.url.clone();
        let bytes = self.bytes()?;
        serde_json::from_slice(&bytes).map_err(|error| CtlError::Strange { url, reason: error.to_string() })
    }
}

/// Text as one part of a path or query.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte.into())
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
