//! The picture of the auth database that handshakes and in-session requests are judged by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use mon_types::auth::{EntityAuth, RotatingSecrets};
use mon_types::crypto_key::CryptoKind;
use mon_types::entity::{EntityName, EntityType};

/// What handshakes are judged by.
#[derive(Debug, Clone)]
pub struct AuthView {
    /// Whether the auth database can be trusted to be the cluster's: false before the first quorum, when
    /// clients are told to come back. Monitors authenticate each other regardless.
    pub ready: bool,
    /// Keys and caps, without `mon.`.
    pub entities: Arc<BTreeMap<EntityName, EntityAuth>>,
    /// The secrets that tickets are sealed with, by service.
    pub rotating: Arc<BTreeMap<EntityType, RotatingSecrets>>,
    /// The key that all monitors share, from the keyring in the data directory, with its caps.
    pub mon: EntityAuth,
    /// Types of keys that entities may authenticate with (monmap `auth_allowed_ciphers`).
    pub allowed_ciphers: BTreeSet<CryptoKind>,
    /// Type of new rotating secrets (monmap `auth_service_cipher`).
    pub service_cipher: CryptoKind,
    /// Whether clients may come without authentication (`auth_client_required` has `none`).
    pub allow_none: bool,
    /// Whether clients older than the fix of CVE-2021-20288 may take back a global id without showing the
    /// ticket that it belongs to (`auth_allow_insecure_global_id_reclaim`).
    pub allow_insecure_reclaim: bool,
    /// How long tickets are valid.
    pub ttl: TicketTtl,
}

/// How long tickets are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketTtl {
    /// AUTH tickets (`auth_mon_ticket_ttl`).
    pub auth: Duration,
    /// Tickets for services (`auth_service_ticket_ttl`).
    pub service: Duration,
}

impl Default for TicketTtl {
    /// Ceph's: 72 hours and one hour.
    fn default() -> Self {
        Self { auth: Duration::from_secs(72 * 3600), service: Duration::from_secs(3600) }
    }
}

impl AuthView {
    /// Keys and caps of an entity, `mon.` among them.
    #[must_use]
    pub fn entity(&self, name: &EntityName) -> Option<&EntityAuth> {
        if *name == EntityName::mon() { Some(&self.mon) } else { self.entities.get(name) }
    }

    /// How long a ticket for a service is valid.
    #[must_use]
    pub fn ttl_of(&self, service: EntityType) -> Duration {
        if service == EntityType::Auth { self.ttl.auth } else { self.ttl.service }
    }
}
