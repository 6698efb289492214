//! The admin socket, Ceph's `AdminSocket`: what `ceph daemon PATH COMMAND` talks to.
//!
//! ```text
//! client: JSON {"prefix": ..., arguments ...} or bare words, ended by NUL or newline
//! daemon: be32 length | output, then closes
//! ```
//! Whoever may open the socket file has full rights, so its mode is all the protection there is.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_core::effect::CommandReply;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::handle::CoreHandle;

/// An open admin socket; its file goes with it.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    path: PathBuf,
    task: tokio::task::JoinHandle<()>,
}

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AsokError {
    /// Somebody answers on it.
    #[error("another process listens on the admin socket {0}; stop it or choose another path")]
    InUse(PathBuf),
    /// Its folder is missing, say.
    #[error(
        "cannot open the admin socket {path}: {source}; check its folder, or set admin_socket to nothing"
    )]
    Open {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

const REQUEST_BYTES_MAX: usize = 64 << 10;
const CONNECTIONS_MAX: usize = 32;
/// How long a client may take to say what it wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the socket and serves it in the background.
pub(crate) async fn serve(path: &Path, core: CoreHandle) -> Result<AdminSocket, AsokError> {
    let error = |source| AsokError::Open { path: path.into(), source };
    // A file that nobody listens on was left by a process that was killed.
    match UnixStream::connect(path).await {
        Ok(_) => return Err(AsokError::InUse(path.into())),
        Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(error)?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(error)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o750)).map_err(error)?;
    let task = tokio::spawn(accept(listener, core));
    Ok(AdminSocket { path: path.into(), task })
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        self.task.abort();
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, core: CoreHandle) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin socket cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let core = core.clone();
        tokio::spawn(async move {
            if let Err(error) = converse(stream, &core).await {
                tracing::debug!(%error, "admin socket client went away");
            }
            drop(place);
        });
    }
}

async fn converse(mut stream: UnixStream, core: &CoreHandle) -> io::Result<()> {
    let request = tokio::time::timeout(PATIENCE, read_request(&mut stream)).await??;
    let output = answer(&request, core).await;
    let mut reply = Vec::with_capacity(4 + output.len());
    reply.extend_from_slice(&u32::try_from(output.len()).unwrap_or(u32::MAX).to_be_bytes());
    reply.extend_from_slice(&output);
    tokio::time::timeout(PATIENCE, stream.write_all(&reply)).await??;
    stream.shutdown().await
}

/// Reads up to the NUL or newline that ends a request.
async fn read_request(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut request = Vec::new();
    loop {
        match stream.read_u8().await? {
            0 | b'\n' => return Ok(request),
            byte => request.push(byte),
        }
        if request.len() > REQUEST_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "request without an end"));
        }
    }
}

/// Runs a request; failures come as text, since the protocol has no place for a result.
async fn answer(request: &[u8], core: &CoreHandle) -> Bytes {
    let Some((words, arguments)) = parse(request) else {
        return failure(-22, "a request is JSON with a prefix, or the words of a command");
    };
    match core.socket(&words, arguments).await {
        Ok(CommandReply { code, message, output }) if code < 0 => {
            let mut text = failure(code, &message).to_vec();
            text.extend_from_slice(&output);
            text.into()
        }
        Ok(reply) if reply.output.is_empty() && !reply.message.is_empty() => (reply.message + "\n").into(),
        Ok(reply) => reply.output,
        Err(error) => failure(-11, &error.to_string()),
    }
}

/// The words of a command, and its other arguments.
fn parse(request: &[u8]) -> Option<(String, BTreeMap<String, Value>)> {
    let text = std::str::from_utf8(request).ok()?.trim();
    if !text.starts_with('{') {
        return (!text.is_empty()).then(|| (text.into(), BTreeMap::new()));
    }
    let mut arguments: BTreeMap<String, Value> = serde_json::from_str(text).ok()?;
    let words = arguments.remove("prefix")?.as_str()?.trim().to_owned();
    Some((words, arguments))
}

/// As stock daemons say it: `ERROR: (22) Invalid argument`, then the reason.
fn failure(code: i32, reason: &str) -> Bytes {
    let text = io::Error::from_raw_os_error(-code).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    format!("ERROR: ({}) {text}\n{reason}", -code).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Core;

    async fn ask(path: &Path, request: &[u8]) -> String {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(request).await.unwrap();
        let length = stream.read_u32().await.unwrap();
        let mut output = String::new();
        stream.read_to_string(&mut output).await.unwrap();
        assert_eq!(output.len(), length as usize);
        output
    }

    #[tokio::test]
    async fn requests_are_json_or_words_ended_by_nul_or_newline() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mon.asok");
        let (core, asked) = Core::new()
            .on("mon_status", 0, "", "{\"name\":\"a\"}")
            .on("quorum enter", 0, "started responding to quorum, initiated new election", "")
            .on("sync_force", -1, "are you sure?", "")
            .start();
        let socket = serve(&path, core).await.unwrap();
        assert_eq!(
            ask(&path, b"{\"prefix\": \"mon_status\", \"format\": \"json\"}\0").await,
            "{\"name\":\"a\"}"
        );
        assert_eq!(*asked.borrow(), ["mon_status {\"format\":\"json\"}"]);
        assert_eq!(ask(&path, b"mon_status\n").await, "{\"name\":\"a\"}");
        let entered = ask(&path, b"{\"prefix\": \"quorum enter\"}\0").await;
        assert_eq!(entered, "started responding to quorum, initiated new election\n");
        let refused = ask(&path, b"sync_force\0").await;
        assert_eq!(refused, "ERROR: (1) Operation not permitted\nare you sure?");
        assert!(ask(&path, b"nonsense\0").await.starts_with("ERROR: (22) Invalid argument\n"));
        assert!(ask(&path, b"{\"prefix\": 5}\0").await.starts_with("ERROR: (22)"));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_left_over_file_is_replaced_and_a_living_socket_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mon.asok");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = serve(&path, Core::new().handle()).await.unwrap();
        let second = serve(&path, Core::new().handle()).await;
        assert!(matches!(second, Err(AsokError::InUse(_))));
        drop(socket);
        let nowhere = dir.path().join("none").join("mon.asok");
        let error = serve(&nowhere, Core::new().handle()).await;
        assert!(matches!(error, Err(AsokError::Open { .. })));
    }

    #[tokio::test]
    async fn an_endless_request_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mon.asok");
        let _socket = serve(&path, Core::new().handle()).await.unwrap();
        let mut stream = UnixStream::connect(&path).await.unwrap();
        // The write may fail half-way, when the daemon has closed already.
        let _ = stream.write_all(&vec![b'x'; REQUEST_BYTES_MAX + 2]).await;
        let mut output = Vec::new();
        let _ = stream.read_to_end(&mut output).await;
        assert!(output.is_empty());
    }
}
