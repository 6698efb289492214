//! Asking every monitor for its status, and the quorum for its map.

use std::collections::BTreeSet;

use futures::future::join_all;
use moncluster_api::{MemberName, ValidatedCluster};
use moncluster_plan::{Committed, MonState, Probe};
use tokio::time::Instant;

use crate::build;
use crate::error::Error;
use crate::monitors::{self, Access, AskError, Endpoint, Request};
use crate::worker::Worker;

impl Worker {
    /// Asks everybody at once.
    pub(super) async fn probe(
        &mut self,
        cluster: &ValidatedCluster,
        members: BTreeSet<MemberName>,
    ) -> Result<(), Error> {
        self.memory.probes.retain(|name, _| members.contains(name));
        let access = self.access().await?;
        let interval = cluster.healing().probe_interval.0;
        let endpoint = |name: &MemberName| self.endpoint(cluster, access.as_ref()?, name);
        let to_ask: Vec<(MemberName, Option<Endpoint>)> = members
            .into_iter()
            .filter(|name| {
                let left_alone = self.memory.probes.get(name).and_then(|(_, until)| *until);
                left_alone.is_none_or(|until| Instant::now() >= until)
            })
            .map(|name| {
                let endpoint = endpoint(&name);
                (name, endpoint)
            })
            .collect();
        let request = Request::get("/v1/status");
        let monitors = self.tools.monitors.clone();
        let answers = join_all(to_ask.iter().map(async |(_, endpoint)| match endpoint {
            Some(endpoint) => Some(monitors.ask(endpoint, &request).await),
            None => None,
        }))
        .await;
        let now = self.now();
        for ((name, _), answer) in to_ask.into_iter().zip(answers) {
            // Each look would wait for one that does not even refuse.
            let silent = matches!(answer, Some(Err(AskError::Silent(_))));
            let until = silent.then(|| Instant::now() + interval);
            let known = match answer {
                Some(Ok(answer)) if answer.status == 200 => monitors::parse_status(&name, &answer.body),
                Some(Ok(answer)) => {
                    tracing::debug!(member = %name, answer = answer.problem(), "no status");
                    None
                }
                Some(Err(error)) => {
                    tracing::debug!(member = %name, %error, "no status");
                    None
                }
                None => None,
            };
            self.memory.probes.insert(name, (Probe { at: now, answer: known }, until));
        }
        if let Some(access) = access {
            self.read_map(cluster, &access).await;
        }
        Ok(())
    }

    /// The map through the quorum: from the leader, or from whoever serves.
    async fn read_map(&mut self, cluster: &ValidatedCluster, access: &Access) {
        let serving = |state: MonState| {
            self.memory.probes.iter().filter(move |(_, (probe, _))| {
                probe.answer.as_ref().is_some_and(|answer| answer.ready && answer.state == state)
            })
        };
        let via =
            serving(MonState::Leader).chain(serving(MonState::Peon)).map(|(name, _)| name.clone()).next();
        let Some(via) = via else { return };
        let Some(endpoint) = self.endpoint(cluster, access, &via) else { return };
        let (map_request, learners_request) = (Request::get("/v1/monmap"), Request::get("/v1/learners"));
        let (map, learners) = futures::join!(
            self.tools.monitors.ask(&endpoint, &map_request),
            self.tools.monitors.ask(&endpoint, &learners_request)
        );
        let (Ok(map), Ok(learners)) = (map, learners) else { return };
        let read = monitors::members_of_map(&map.body).zip(monitors::members(&learners.body));
        let Some(((epoch, fsid, voters), learners)) =
            read.filter(|_| map.status == 200 && learners.status == 200)
        else {
            tracing::debug!(%via, map = map.status, learners = learners.status, "no map through the quorum");
            return;
        };
        // Epochs only grow in a cluster; an older one is a late answer.
        if self.memory.committed.as_ref().is_none_or(|known| known.fsid != fsid || known.epoch <= epoch) {
            self.memory.committed = Some(Committed { at: self.now(), via, epoch, fsid, voters, learners });
        }
    }

    /// What monitors are known by; none while the Secrets are not there.
    pub(crate) async fn access(&mut self) -> Result<Option<Access>, Error> {
        let (tls, token) = (self.names().tls(), self.names().token());
        let certificates = self.secret(&tls).await?.as_ref().and_then(build::read_certificates);
        let token = self.secret(&token).await?.as_ref().and_then(build::token_of);
        let name = build::tls_names(self.name(), self.namespace()).into_iter().next();
        Ok(match (certificates, token, name) {
            (Some(certificates), Some(token), Some(server_name)) => Some(Access {
                server_name,
                authorities: certificates.authorities.as_str().into(),
                token: token.into(),
            }),
            _ => None,
        })
    }

    /// Where a member's monitor is: its pod, wherever that is.
    pub(crate) fn endpoint(
        &self,
        cluster: &ValidatedCluster,
        access: &Access,
        member: &MemberName,
    ) -> Option<Endpoint> {
        let pod = self.tools.watches.pods.get(self.namespace(), &self.names().pod(member))?;
        let ip = pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()?;
        Some(Endpoint { ip, port: cluster.spec().admin.port, access: access.clone() })
    }
}
