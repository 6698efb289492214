//! What the network needs to know before it starts.

use std::net::SocketAddr;
use std::sync::Arc;

use mon_types::addr::AddrVec;
use mon_types::features::Features;
use mon_wire::Limits;
use mon_wire::auth::Mode;

/// Settings of the network.
#[derive(Debug, Clone)]
pub(crate) struct NetConfig {
    /// Our addresses as the monmap has them.
    pub(crate) addrs: AddrVec,
    /// Where to listen; usually the msgr2 address among `addrs`.
    pub(crate) bind: Vec<SocketAddr>,
    /// The wire features that we show.
    pub(crate) features: Features,
    /// Modes between monitors, best first (`ms_mon_cluster_mode`).
    pub(crate) cluster_modes: Vec<Mode>,
    /// Modes that clients and daemons may choose from (`ms_mon_client_mode`, `ms_mon_service_mode`).
    pub(crate) client_modes: Vec<Mode>,
    /// Limits of client sessions, and of connections whose kind is not yet known.
    pub(crate) client_limits: Arc<Limits>,
    /// Bytes that all clients together may make us keep.
    pub(crate) client_bytes_max: usize,
    /// Limits of sessions with monitors.
    pub(crate) peer_limits: Arc<Limits>,
}

impl NetConfig {
    /// Stock's defaults: secure is preferred, crc allowed.
    pub(crate) fn new(addrs: AddrVec, bind: Vec<SocketAddr>, features: Features) -> Self {
        Self {
            addrs,
            bind,
            features,
            cluster_modes: vec![Mode::Secure, Mode::Crc],
            client_modes: vec![Mode::Secure, Mode::Crc],
            client_limits: Arc::new(Limits::client()),
            client_bytes_max: 256 << 20,
            peer_limits: Arc::new(Limits::peer()),
        }
    }
}
