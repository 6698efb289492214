//! Objects that belong to the cluster as a whole, compared with what they should be.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use moncluster_plan::{SupportFact, SupportKind, SupportState};
use serde::Serialize;
use serde_json::Value;

use crate::build::{self, Scene};
use crate::error::Error;
use crate::keyring;
use crate::worker::Worker;

impl Worker {
    /// For each kind that should exist, how it is.
    pub(super) async fn support(&mut self, scene: &Scene<'_>) -> Result<Vec<SupportFact>, Error> {
        let mut facts = Vec::new();
        let mut put = |kind, state| facts.push(SupportFact { kind, state });
        let names = scene.cluster.names();
        let now = self.tools.clock.now();
        let (keyring, admin_key) = self.keyring(scene).await?;
        put(SupportKind::MonKeyring, keyring);
        let token = self.secret(&names.token()).await?;
        put(
            SupportKind::Token,
            match token.map(|secret| build::token_of(&secret)) {
                None => SupportState::Missing,
                Some(None) => SupportState::Differs,
                Some(Some(_)) => SupportState::Current,
            },
        );
        let tls = self.secret(&names.tls()).await?;
        put(
            SupportKind::Tls,
            match tls.map(|secret| build::read_certificates(&secret)) {
                None => SupportState::Missing,
                Some(Some(known)) if now < known.until && now < known.authority_until => {
                    SupportState::Current
                }
                Some(_) => SupportState::Differs,
            },
        );
        let watches = &self.tools.watches;
        let here = self.namespace();
        let config = watches.config_maps.get(here, &names.mon_config());
        put(SupportKind::MonConfig, compared(&build::mon_config(scene), config.as_deref()));
        let policy = watches.policies.get(here, &names.network_policy());
        put(SupportKind::NetworkPolicy, compared(&build::network_policy(scene), policy.as_deref()));
        let budget = watches.budgets.get(here, &names.budget());
        let owned = |budget: &PodDisruptionBudget| build::owned_by_cluster(&budget.metadata, self.name());
        match build::disruption_budget(scene) {
            Some(wanted) => put(SupportKind::DisruptionBudget, compared(&wanted, budget.as_deref())),
            None if budget.as_deref().is_some_and(owned) => {
                put(SupportKind::DisruptionBudget, SupportState::Unwanted);
            }
            None => {}
        }
        let service = watches.services.get(here, &names.client_service());
        put(SupportKind::ClientService, compared(&build::client_service(scene), service.as_deref()));
        put(
            SupportKind::ClientConfig,
            match build::client_config(scene) {
                None => SupportState::Waiting,
                Some(wanted) => {
                    let present = watches.config_maps.get(here, &names.client_config());
                    compared(&wanted, present.as_deref())
                }
            },
        );
        // A keyring of people may be without an administrator.
        if let Some(key) = admin_key {
            let state = match (scene.fsid, self.secret(&names.client_keyring()).await?) {
                (None, _) => SupportState::Waiting,
                (Some(_), None) => SupportState::Missing,
                (Some(_), Some(present)) => compared(&build::client_keyring(scene, &key), Some(&present)),
            };
            facts.push(SupportFact { kind: SupportKind::ClientKeyring, state });
        }
        Ok(facts)
    }

    /// How the keyring is, and the administrator's key in it.
    pub(crate) async fn keyring(
        &mut self,
        scene: &Scene<'_>,
    ) -> Result<(SupportState, Option<zeroize::Zeroizing<String>>), Error> {
        let given = scene.cluster.spec().auth.keyring_secret_ref.as_ref().map(|secret| secret.name.clone());
        let name = given.clone().unwrap_or_else(|| scene.cluster.names().mon_keyring());
        let secret = self.secret(&name).await?;
        let keyring = secret.as_ref().and_then(build::keyring_of);
        let state = match (&keyring, &secret, given.is_some()) {
            (Some(_), ..) => SupportState::Current,
            (None, None, false) => SupportState::Missing,
            (None, None, true) => SupportState::Unusable(format!(
                "Secret {name} does not exist: make it, with a keyring under 'keyring'"
            )),
            (None, Some(_), _) => SupportState::Unusable(format!(
                "Secret {name} has no key of mon. under 'keyring': put it there"
            )),
        };
        Ok((state, keyring.as_ref().and_then(|keyring| keyring::administrators_key(keyring))))
    }
}

fn compared<K: Serialize>(wanted: &Value, present: Option<&K>) -> SupportState {
    let Some(present) = present else { return SupportState::Missing };
    let Ok(mut present) = serde_json::to_value(present) else { return SupportState::Differs };
    // Objects of lists come without them.
    for field in ["apiVersion", "kind"] {
        if let Some(value) = wanted.get(field) {
            present[field] = value.clone();
        }
    }
    if build::differs(wanted, &present) { SupportState::Differs } else { SupportState::Current }
}
