//! Asking a monitor through its admin socket, as `ceph daemon` does.
//!
//! ```text
//! request: JSON text | NUL          answer: be32 length | text
//! ```

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// More would not be an answer of a monitor.
const ANSWER_BYTES_MAX: u32 = 64 << 20;

/// Runs a command without arguments; a monitor that does not answer within the time counts as one that
/// cannot be reached.
pub(crate) fn ask(socket: &Path, prefix: &str, patience: Duration) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let request = serde_json::json!({ "prefix": prefix }).to_string();
    stream.write_all(request.as_bytes())?;
    stream.write_all(&[0])?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
    }
    let mut answer = Vec::new();
    stream.take(length.into()).read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn the_exchange_is_cephs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("asok");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() == 1 && byte[0] != 0 {
                request.push(byte[0]);
            }
            let answer = br#"{"state": "leader"}"#;
            stream.write_all(&(answer.len() as u32).to_be_bytes()).unwrap();
            stream.write_all(answer).unwrap();
            request
        });
        let answer = ask(&path, "mon_status", Duration::from_secs(5)).unwrap();
        assert_eq!(answer["state"], "leader");
        assert_eq!(server.join().unwrap(), br#"{"prefix":"mon_status"}"#);
        assert!(ask(&folder.path().join("none"), "mon_status", Duration::from_secs(5)).is_err());
    }
}
