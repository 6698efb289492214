//! Doing what was decided: exactly that, under the preconditions that come with it.
//!
//! Every action can be repeated. What takes something away reads the object again first, live, and names its uid and
//! resourceVersion to the API server, so that nothing is ever done to another object than the one that was looked at.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{
    Api, DeleteParams, EvictParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
};
use kube::{Resource, ResourceExt};
use moncluster_api::{MemberName, MonCluster, label};
use moncluster_plan::{Action, MonitorCall, Role, SupportKind, Target};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use tokio::time::Instant;

use crate::build::{self, Scene};
use crate::error::{Error, api_error, is_status};
use crate::monitors::Request;
use crate::shelf::Shelf;
use crate::tls::Certificates;
use crate::worker::Worker;

/// What the API server knows as an object of a namespace.
pub(crate) trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Serialize + Debug
{
}

impl<K> Object for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug
{
}

impl Worker {
    /// Does it.
    ///
    /// # Errors
    /// When it was not done, or it is not known whether it was.
    pub(crate) async fn execute(&mut self, scene: &Scene<'_>, action: &Action) -> Result<(), Error> {
        match action {
            Action::AddFinalizer => self.set_finalizer(scene.object, true).await,
            Action::RemoveFinalizer => self.set_finalizer(scene.object, false).await,
            Action::ApplySupport { kind } => self.apply_support(scene, *kind).await,
            Action::DeleteSupport { kind } => self.delete_support(scene, *kind).await,
            Action::ApplyService { member, cluster_ip, fenced } => {
                self.apply_service(scene, member, cluster_ip.as_deref(), *fenced).await
            }
            Action::DeleteService { member, target } => {
                let shelf = self.tools.watches.services.clone();
                self.take_away(&shelf, &self.names().member(member), target).await
            }
            Action::CreateClaim { member, fsid, address } => {
                let claim = build::claim(scene, member, fsid, address);
                let shelf = self.tools.watches.claims.clone();
                self.create(&shelf, &claim).await
            }
            Action::ResizeClaim { member, target, bytes } => {
                let change = json!({"spec": {"resources": {"requests": {"storage": bytes.to_string()}}}});
                self.change_claim(member, target, change).await
            }
            Action::RetireClaim { member, target, until } => {
                let change = json!({"metadata": {"annotations": {label::RETIRED_UNTIL: until}}});
                self.change_claim(member, target, change).await
            }
            Action::DeleteClaim { member, target } => {
                let shelf = self.tools.watches.claims.clone();
                self.take_away(&shelf, &self.names().claim(member), target).await
            }
            Action::ApplyStatefulSet { member, role, fsid, address } => {
                self.apply_stateful_set(scene, member, *role, fsid, address).await
            }
            Action::DeleteStatefulSet { member, target } => {
                let shelf = self.tools.watches.stateful_sets.clone();
                self.take_away(&shelf, &self.names().member(member), target).await
            }
            Action::EvictPod { member, target } => self.evict(member, target).await,
            Action::DeletePod { member, target } => {
                let shelf = self.tools.watches.pods.clone();
                self.take_away(&shelf, &self.names().pod(member), target).await
            }
            Action::Monitor(call) => self.call_monitor(scene, call).await,
        }
    }

    async fn set_finalizer(&self, object: &MonCluster, wanted: bool) -> Result<(), Error> {
        let mut finalizers = object.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|it| it != label::FINALIZER);
        if wanted {
            finalizers.push(label::FINALIZER.into());
        }
        let change = json!({"metadata": {
            "finalizers": finalizers,
            "resourceVersion": object.metadata.resource_version,
        }});
        let what = format!("cannot change the finalizers of MonCluster {}", self.name());
        let params = PatchParams { field_manager: Some(label::FIELD_OWNER.into()), ..PatchParams::default() };
        let result = self.api::<MonCluster>().patch(self.name(), &params, &Patch::Merge(change)).await;
        match result {
            Ok(_) => Ok(()),
            Err(error) if is_status(&error, 404) && !wanted => Ok(()),
            Err(error) => Err(api_error(what)(error)),
        }
    }

    async fn apply_support(&mut self, scene: &Scene<'_>, kind: SupportKind) -> Result<(), Error> {
        let watches = self.tools.watches.clone();
        let now = self.tools.clock.now();
        match kind {
            SupportKind::MonKeyring => self.create_secret(&build::mon_keyring(scene, now)).await,
            SupportKind::Token => match self.live_secret(&scene.cluster.names().token()).await? {
                None => self.create_secret(&build::token(scene)).await,
                Some(present) if build::token_of(&present).is_some() => Ok(()),
                Some(_) => self.apply_secret(&build::token(scene)).await,
            },
            SupportKind::Tls => {
                let present = self.live_secret(&scene.cluster.names().tls()).await?;
                let known = present.as_ref().and_then(build::read_certificates);
                let names = build::tls_names(self.name(), self.namespace());
                match Certificates::renew(known.as_ref(), &names, now)? {
                    None => Ok(()),
                    Some(certificates) => {
                        let mut secret = build::tls(scene, &certificates);
                        // Nobody else may have renewed them meanwhile.
                        if let Some(present) = present {
                            secret["metadata"]["resourceVersion"] = json!(present.metadata.resource_version);
                        }
                        self.apply_secret(&secret).await
                    }
                }
            }
            SupportKind::MonConfig => self.apply(&watches.config_maps, &build::mon_config(scene)).await,
            SupportKind::NetworkPolicy => self.apply(&watches.policies, &build::network_policy(scene)).await,
            SupportKind::DisruptionBudget => match build::disruption_budget(scene) {
                Some(budget) => self.apply(&watches.budgets, &budget).await,
                None => Ok(()),
            },
            SupportKind::ClientService => self.apply(&watches.services, &build::client_service(scene)).await,
            SupportKind::ClientConfig => match build::client_config(scene) {
                Some(config) => self.apply(&watches.config_maps, &config).await,
                None => Err(Error::Unknown("who votes".into())),
            },
            SupportKind::ClientKeyring => {
                let (_, key) = self.keyring(scene).await?;
                let key = key.ok_or_else(|| Error::Unknown("the key of client.admin".into()))?;
                self.apply_secret(&build::client_keyring(scene, &key)).await
            }
        }
    }

    async fn delete_support(&mut self, scene: &Scene<'_>, kind: SupportKind) -> Result<(), Error> {
        let names = scene.cluster.names();
        let watches = self.tools.watches.clone();
        match kind {
            SupportKind::MonKeyring => self.delete_secret(&names.mon_keyring()).await,
            SupportKind::Token => self.delete_secret(&names.token()).await,
            SupportKind::Tls => self.delete_secret(&names.tls()).await,
            SupportKind::ClientKeyring => self.delete_secret(&names.client_keyring()).await,
            SupportKind::MonConfig => self.delete_ours(&watches.config_maps, &names.mon_config()).await,
            SupportKind::ClientConfig => self.delete_ours(&watches.config_maps, &names.client_config()).await,
            SupportKind::NetworkPolicy => self.delete_ours(&watches.policies, &names.network_policy()).await,
            SupportKind::DisruptionBudget => self.delete_ours(&watches.budgets, &names.budget()).await,
            SupportKind::ClientService => self.delete_ours(&watches.services, &names.client_service()).await,
        }
    }

    async fn apply_service(
        &mut self,
        scene: &Scene<'_>,
        member: &MemberName,
        cluster_ip: Option<&str>,
        fenced: bool,
    ) -> Result<(), Error> {
        let shelf = self.tools.watches.services.clone();
        let service = build::service(scene, member, cluster_ip, fenced);
        match self.apply(&shelf, &service).await {
            Ok(()) => {
                self.memory.refused.remove(member);
                Ok(())
            }
            // Its address is another's by now, or of no range any more.
            Err(Error::Api { source, .. }) if cluster_ip.is_some() && is_status(&source, 422) => {
                self.memory.refused.insert(member.clone());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The member's configuration first: a pod must find what it may do before it starts.
    async fn apply_stateful_set(
        &mut self,
        scene: &Scene<'_>,
        member: &MemberName,
        role: Role,
        fsid: &str,
        address: &str,
    ) -> Result<(), Error> {
        if role == Role::Learner && scene.voters.is_empty() {
            return Err(Error::Unknown("who votes".into()));
        }
        let watches = self.tools.watches.clone();
        let service = watches.services.get(self.namespace(), &self.names().member(member));
        let service_uid = service.and_then(|service| service.uid());
        let service_uid =
            service_uid.ok_or_else(|| Error::Unknown(format!("the Service of mon.{member}")))?;
        let config = build::member_config(scene, member, role, fsid, address, &service_uid);
        self.apply(&watches.config_maps, &config).await?;
        self.apply(&watches.stateful_sets, &build::stateful_set(scene, member, role, fsid, address)).await
    }

    async fn change_claim(
        &self,
        member: &MemberName,
        target: &Target,
        mut change: Value,
    ) -> Result<(), Error> {
        let name = self.names().claim(member);
        change["metadata"]["uid"] = target.uid.as_str().into();
        change["metadata"]["resourceVersion"] = target.resource_version.as_str().into();
        let api = self.api::<PersistentVolumeClaim>();
        match api.patch(&name, &PatchParams::default(), &Patch::Merge(change)).await {
            Ok(claim) => {
                self.tools.watches.claims.wrote(claim);
                Ok(())
            }
            Err(error) => {
                if is_status(&error, 409) {
                    self.look_again(&self.tools.watches.claims, &name).await?;
                }
                Err(api_error(format!("cannot change claim {name}"))(error))
            }
        }
    }

    async fn evict(&self, member: &MemberName, target: &Target) -> Result<(), Error> {
        let name = self.names().pod(member);
        let shelf = &self.tools.watches.pods;
        let Some(pod) = self.confirmed(shelf, &name, target).await? else { return Ok(()) };
        let params = EvictParams {
            delete_options: Some(DeleteParams {
                preconditions: Some(exactly(&pod)),
                ..DeleteParams::default()
            }),
            post_options: PostParams::default(),
        };
        self.api::<Pod>()
            .evict(&name, &params)
            .await
            .map_err(api_error(format!("cannot evict pod {name}")))?;
        self.look_again(shelf, &name).await
    }

    async fn call_monitor(&mut self, scene: &Scene<'_>, call: &MonitorCall) -> Result<(), Error> {
        let access = self.access().await?.ok_or_else(|| Error::Unknown("the monitors' token".into()))?;
        let endpoint = self
            .endpoint(scene.cluster, &access, &call.via)
            .ok_or_else(|| Error::Unknown(format!("the address of mon.{}", call.via)))?;
        let request = Request::change(call);
        let answer = self.tools.monitors.ask(&endpoint, &request).await;
        let answer = answer.map_err(|error| Error::Silent(call.via.clone(), error))?;
        match answer.status {
            200..300 => Ok(()),
            _ => Err(Error::Refused(call.via.clone(), answer.problem())),
        }
    }

    /// Server-side apply, with the one field owner that we are.
    async fn apply<K: Object>(&self, shelf: &Shelf<K>, wanted: &Value) -> Result<(), Error> {
        let name = name_of(wanted);
        let what = format!("cannot apply {} {name}", K::kind(&()));
        let params = PatchParams::apply(label::FIELD_OWNER).force();
        let made =
            self.api::<K>().patch(name, &params, &Patch::Apply(wanted)).await.map_err(api_error(what))?;
        shelf.wrote(made);
        Ok(())
    }

    async fn create<K: Object>(&self, shelf: &Shelf<K>, wanted: &Value) -> Result<(), Error> {
        let name = name_of(wanted);
        let what = format!("cannot create {} {name}", K::kind(&()));
        let object: K = serde_json::from_value(wanted.clone()).map_err(|_| Error::Unknown(what.clone()))?;
        match self.api::<K>().create(&PostParams::default(), &object).await {
            Ok(made) => {
                shelf.wrote(made);
                Ok(())
            }
            Err(error) => {
                // Perhaps we have made it, and did not hear of it.
                if is_status(&error, 409) {
                    self.look_again(shelf, name).await?;
                }
                Err(api_error(what)(error))
            }
        }
    }

    async fn live_secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        self.api::<Secret>().get_opt(name).await.map_err(api_error(format!("cannot read Secret {name}")))
    }

    /// Makes a Secret that is made once. If it is there already, that one counts.
    async fn create_secret(&mut self, wanted: &Value) -> Result<(), Error> {
        let name = name_of(wanted).to_owned();
        let what = format!("cannot create Secret {name}");
        let secret: Secret =
            serde_json::from_value(wanted.clone()).map_err(|_| Error::Unknown(what.clone()))?;
        match self.api::<Secret>().create(&PostParams::default(), &secret).await {
            Ok(made) => {
                self.memory.secrets.insert(name, (Instant::now(), Some(made)));
                Ok(())
            }
            Err(error) if is_status(&error, 409) => {
                self.memory.secrets.remove(&name);
                Ok(())
            }
            Err(error) => Err(api_error(what)(error)),
        }
    }

    async fn apply_secret(&mut self, wanted: &Value) -> Result<(), Error> {
        let name = name_of(wanted).to_owned();
        let params = PatchParams::apply(label::FIELD_OWNER).force();
        let made = self.api::<Secret>().patch(&name, &params, &Patch::Apply(wanted)).await;
        let made = made.map_err(api_error(format!("cannot apply Secret {name}")))?;
        self.memory.secrets.insert(name, (Instant::now(), Some(made)));
        Ok(())
    }

    async fn delete_secret(&mut self, name: &str) -> Result<(), Error> {
        self.memory.secrets.remove(name);
        let Some(present) = self.live_secret(name).await? else { return Ok(()) };
        if !build::owned_by_cluster(&present.metadata, self.name()) {
            return Ok(());
        }
        self.delete(&self.api::<Secret>(), &present).await.map(drop)
    }

    async fn delete_ours<K: Object>(&self, shelf: &Shelf<K>, name: &str) -> Result<(), Error> {
        let live = self.api::<K>().get_opt(name).await;
        let live = live.map_err(api_error(format!("cannot read {} {name}", K::kind(&()))))?;
        match live {
            Some(live) if build::owned_by_cluster(live.meta(), self.name()) => {
                let target = Target {
                    uid: live.uid().unwrap_or_default(),
                    resource_version: live.resource_version().unwrap_or_default(),
                };
                self.take_away(shelf, name, &target).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Deletes the object that was meant, if it still is as it was when that was decided.
    async fn take_away<K: Object>(&self, shelf: &Shelf<K>, name: &str, target: &Target) -> Result<(), Error> {
        let Some(live) = self.confirmed(shelf, name, target).await? else { return Ok(()) };
        match self.delete(&self.api::<K>(), &live).await? {
            Some(left) => shelf.wrote(left),
            None => shelf.forget(&target.uid),
        }
        Ok(())
    }

    /// The object as it is now, if it is the one that was meant; none if it has gone.
    async fn confirmed<K: Object>(
        &self,
        shelf: &Shelf<K>,
        name: &str,
        target: &Target,
    ) -> Result<Option<K>, Error> {
        let what = format!("{} {name}", K::kind(&()));
        let live = self.api::<K>().get_opt(name).await.map_err(api_error(format!("cannot read {what}")))?;
        let Some(live) = live else {
            shelf.forget(&target.uid);
            return Ok(None);
        };
        if live.uid().as_ref() != Some(&target.uid) {
            shelf.forget(&target.uid);
            shelf.wrote(live);
            return Err(Error::Stale(what));
        }
        let is_meant = target.resource_version.is_empty()
            || live.resource_version().as_ref() == Some(&target.resource_version);
        if !is_meant || !build::owned_by_cluster(live.meta(), self.name()) {
            shelf.wrote(live);
            return Err(Error::Stale(what));
        }
        Ok(Some(live))
    }

    /// What is left of it, if its deletion waits for something.
    async fn delete<K: Object>(&self, api: &Api<K>, live: &K) -> Result<Option<K>, Error> {
        let name = live.name_any();
        let params = DeleteParams {
            preconditions: Some(exactly(live)),
            propagation_policy: Some(PropagationPolicy::Background),
            ..DeleteParams::default()
        };
        match api.delete(&name, &params).await {
            Ok(either) => Ok(either.left().filter(|left| left.meta().deletion_timestamp.is_some())),
            Err(error) if is_status(&error, 404) => Ok(None),
            Err(error) => Err(api_error(format!("cannot delete {} {name}", K::kind(&())))(error)),
        }
    }

    /// Takes over what the API server has, where our own picture was found to be old.
    async fn look_again<K: Object>(&self, shelf: &Shelf<K>, name: &str) -> Result<(), Error> {
        let live = self.api::<K>().get_opt(name).await;
        let live = live.map_err(api_error(format!("cannot read {} {name}", K::kind(&()))))?;
        if let Some(live) = live {
            shelf.wrote(live);
        } else if let Some(known) = shelf.get(self.namespace(), name).and_then(|known| known.uid()) {
            shelf.forget(&known);
        }
        Ok(())
    }
}

fn exactly<K: Resource>(object: &K) -> Preconditions {
    let meta = object.meta();
    Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() }
}

fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
