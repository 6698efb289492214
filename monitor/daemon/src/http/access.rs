//! Who may use `/v1`.
//!
//! With a token file: who shows the token. Without: who connects over loopback, which the listener ensures;
//! a web page in a browser on this machine is kept out by looking at `Host` and `Origin`, which pages cannot
//! forge.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::HttpError;
use super::problem::Problem;

/// What `/v1` asks for.
pub(crate) enum Access {
    /// The token of a file.
    Token(TokenFile),
    /// Nothing, over loopback.
    Loopback,
}

/// A token, read again when its file changes.
pub(crate) struct TokenFile {
    file: PathBuf,
    read: Mutex<(Option<SystemTime>, Zeroizing<String>)>,
}

/// A token that can be guessed protects nothing.
const TOKEN_LEN_MIN: usize = 16;

impl Access {
    /// As configured.
    pub(crate) fn new(token_file: Option<&Path>) -> Result<Self, HttpError> {
        match token_file {
            None => Ok(Self::Loopback),
            Some(file) => TokenFile::open(file).map(Self::Token),
        }
    }

    fn admits(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Token(token) if token.is_shown(headers) => Ok(()),
            Self::Token(_) => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "show the token of the monitor's token file as 'Authorization: Bearer TOKEN'",
            )),
            Self::Loopback if is_local(headers) => Ok(()),
            Self::Loopback => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "without a token only programs on this machine are served",
            )),
        }
    }
}

/// Lets a request through, or answers in its place.
pub(crate) async fn check(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    access.admits(request.headers())?;
    Ok(next.run(request).await)
}

impl TokenFile {
    fn open(file: &Path) -> Result<Self, HttpError> {
        let token = read(file).map_err(|reason| HttpError::Token { file: file.into(), reason })?;
        Ok(Self { file: file.into(), read: Mutex::new((modified(file), token)) })
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, shown)) = shown.and_then(|value| value.split_once(' ')) else { return false };
        // RFC 9110, 11.1: schemes are compared without regard to case.
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return false;
        }
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = modified(&self.file);
        // An unreadable or empty file leaves the token that was: nobody gets in by emptying it half-way.
        if stamp != known.0
            && let Ok(token) = read(&self.file)
        {
            *known = (stamp, token);
        }
        known.1.as_bytes().ct_eq(shown.trim().as_bytes()).into()
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, String> {
    let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|error| error.to_string())?);
    let token = text.lines().next().unwrap_or_default().trim();
    match token.len() {
        length if length < TOKEN_LEN_MIN => Err(format!("it holds {length} characters")),
        _ => Ok(Zeroizing::new(token.into())),
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|about| about.modified()).ok()
}

/// Whether the request names this machine and comes from no web page.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    let is_loopback = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_loopback && !headers.contains_key(header::ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_token_is_asked_for_and_read_again_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        assert!(matches!(Access::new(Some(&file)), Err(HttpError::Token { .. })));
        std::fs::write(&file, "short\n").unwrap();
        assert!(matches!(Access::new(Some(&file)), Err(HttpError::Token { .. })));
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let access = Access::new(Some(&file)).unwrap();
        let bearer = |token: &str| access.admits(&headers(&[(header::AUTHORIZATION, token)])).is_ok();
        assert!(bearer("Bearer 0123456789abcdef"));
        assert!(bearer("bearer 0123456789abcdef") && bearer("BEARER 0123456789abcdef"));
        assert!(
            !bearer("Bearer 0123456789abcdeF") && !bearer("Basic 0123456789abcdef") && !bearer("Bearer ")
        );

        std::fs::write(&file, "fedcba9876543210\n").unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        assert!(bearer("Bearer fedcba9876543210"));
        assert!(!bearer("Bearer 0123456789abcdef"));
    }

    #[test]
    fn without_a_token_web_pages_and_other_names_are_kept_out() {
        let admits = |pairs: &[(header::HeaderName, &str)]| Access::Loopback.admits(&headers(pairs)).is_ok();
        assert!(admits(&[(header::HOST, "127.0.0.1:9300")]));
        assert!(admits(&[(header::HOST, "localhost")]));
        assert!(admits(&[(header::HOST, "[::1]:9300")]));
        assert!(!admits(&[(header::HOST, "attacker.example:9300")]));
        assert!(!admits(&[(header::HOST, "localhost"), (header::ORIGIN, "http://attacker.example")]));
        assert!(!admits(&[]));
    }
}
