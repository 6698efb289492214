//! What can go wrong, for one connection and for the client as a whole.

use std::net::SocketAddr;
use std::time::Duration;

use mon_types::encode::DecodeError;
use mon_wire::ConnectionError;

/// Why a call of the client failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The monitors do not accept us; trying others would not help.
    #[error(transparent)]
    Refused(LinkError),
    /// No monitor took us in time.
    #[error("no monitor of {monitors:?} answered within {waited:?}; the last one: {last}")]
    Unreachable {
        /// Those that were tried.
        monitors: Vec<SocketAddr>,
        /// For how long.
        waited: Duration,
        /// What the last attempt came to.
        last: Box<LinkError>,
    },
    /// The connection ended before an answer came, and [`crate::Target::resend`] is off.
    #[error("the connection was lost before the answer: what was asked for may or may not have happened")]
    Lost,
    /// The client was closed before an answer came.
    #[error("the client was closed")]
    Closed,
}

/// Why a connection to one monitor failed or ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LinkError {
    /// The socket.
    #[error("{monitor}: {error}")]
    Socket {
        /// Which monitor.
        monitor: SocketAddr,
        /// What the system says.
        error: std::sync::Arc<std::io::Error>,
    },
    /// The protocol.
    #[error("{monitor}: {error}")]
    Protocol {
        /// Which monitor.
        monitor: SocketAddr,
        /// Which rule.
        error: Box<ConnectionError>,
    },
    /// The monitor refuses to authenticate us.
    #[error("{monitor} refuses {method:?} with error {code} (it allows {allowed:?}); check name and key")]
    Refused {
        /// Which monitor.
        monitor: SocketAddr,
        /// How we wanted to authenticate.
        method: mon_wire::auth::AuthMethod,
        /// A negative errno.
        code: i32,
        /// How we could.
        allowed: Vec<mon_wire::auth::AuthMethod>,
    },
    /// The monitor failed to authenticate itself.
    #[error("{monitor}: {error}")]
    Cephx {
        /// Which monitor.
        monitor: SocketAddr,
        /// What is wrong.
        error: mon_cephx::client::ClientError,
    },
    /// The monitor belongs to another cluster.
    #[error("{monitor} belongs to cluster {fsid}, not to ours; check mon_host")]
    OtherCluster {
        /// Which monitor.
        monitor: SocketAddr,
        /// The cluster.
        fsid: mon_types::id::Fsid,
    },
    /// A message that does not decode.
    #[error("{monitor}: message of type {kind}: {error}")]
    Message {
        /// Which monitor.
        monitor: SocketAddr,
        /// Its type number.
        kind: u16,
        /// What is wrong.
        error: DecodeError,
    },
    /// It took too long.
    #[error("{monitor} did not connect within {waited:?}")]
    Slow {
        /// Which monitor.
        monitor: SocketAddr,
        /// How long.
        waited: Duration,
    },
    /// There is no monitor to try.
    #[error("no monitor is known")]
    NoMonitors,
}

impl LinkError {
    /// Whether other monitors would say the same: the name or the key is not good.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Refused { code, .. } => !matches!(*code, EBUSY | EAGAIN),
            Self::Cephx { .. } | Self::OtherCluster { .. } => true,
            Self::Socket { .. }
            | Self::Protocol { .. }
            | Self::Message { .. }
            | Self::Slow { .. }
            | Self::NoMonitors => false,
        }
    }
}

/// What a monitor says before there is a quorum.
const EBUSY: i32 = -16;
const EAGAIN: i32 = -11;
