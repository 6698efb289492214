//! What can go wrong while a cluster is looked after. Nothing is cleaned up on an error: the next look shows how far
//! it got, and the plan goes on from there.

use moncluster_api::MemberName;

use crate::monitors::AskError;
use crate::tls::CannotCertify;

/// Why a look, or what followed from it, was not finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or did not answer.
    #[error("{what}: {source}")]
    Api {
        /// What was tried.
        what: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// An object is not the one that the decision was about: look again.
    #[error("{0} has changed since it was looked at")]
    Stale(String),
    /// A monitor did not answer.
    #[error("mon.{0}: {1}")]
    Silent(MemberName, AskError),
    /// A monitor refused.
    #[error("mon.{0} refuses: {1}")]
    Refused(MemberName, String),
    /// A certificate cannot be made.
    #[error(transparent)]
    Certificate(#[from] CannotCertify),
    /// Something that the decision needs is not known any more: look again.
    #[error("{0} is not known")]
    Unknown(String),
}

impl Error {
    /// For the metric.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Api { .. } => "api",
            Self::Stale(_) => "stale",
            Self::Silent(..) => "monitor_silent",
            Self::Refused(..) => "monitor_refused",
            Self::Certificate(_) => "certificate",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether it is nothing but an older look than the API server has.
    pub fn is_race(&self) -> bool {
        match self {
            Self::Stale(_) | Self::Unknown(_) => true,
            Self::Api { source, .. } => is_status(source, 409),
            Self::Silent(..) | Self::Refused(..) | Self::Certificate(_) => false,
        }
    }
}

/// Says what was tried when the API server refused it.
pub(crate) fn api_error(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Error {
    let what = what.into();
    move |source| Error::Api { what, source: Box::new(source) }
}

/// Whether the API server answered with this status.
pub(crate) fn is_status(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}
