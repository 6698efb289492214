//! One round for one cluster: observe, plan, publish the status, act, tell.
//!
//! ```text
//!  live MonCluster --> observe --> plan --> status, if it differs --> action, if there is one --> events
//!                                           (written ahead)          (under its preconditions)
//! ```

use std::time::Duration;

use kube::api::PostParams;
use moncluster_api::{
    Condition, ConditionStatus, Invalid, MonCluster, MonClusterSpec, MonClusterStatus, ValidatedCluster,
};
use moncluster_plan::{Requeue, plan};
use tokio::time::{Instant, sleep};

use crate::build::Scene;
use crate::error::{Error, api_error};
use crate::worker::Worker;

/// What comes after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another, when this has passed or something has changed.
    After(Duration),
    /// Nothing: the cluster is gone.
    Gone,
}

/// So soon after what changed a round begins; more may change meanwhile.
const SETTLE: Duration = Duration::from_millis(100);
/// Between two rounds that follow from each other.
const AT_ONCE: Duration = Duration::from_millis(20);
const AFTER_RACE: Duration = Duration::from_millis(250);
const AFTER_ERROR: Duration = Duration::from_secs(1);
const AFTER_ERROR_MAX: Duration = Duration::from_secs(30);
/// How soon a spec that cannot be worked with is looked at again.
const INVALID: Duration = Duration::from_secs(60);

impl Worker {
    /// Looks after the cluster until it is gone.
    pub async fn run(mut self) {
        let waker = self.tools.watches.wakers().of(&self.key);
        let mut failures = 0u32;
        loop {
            let began = Instant::now();
            let outcome = self.round().await;
            let pause = match outcome {
                Ok(Next::Gone) => break,
                Ok(Next::After(pause)) => {
                    failures = 0;
                    pause
                }
                Err(error) => {
                    self.tools.metrics.failed(&self.key, error.label());
                    if error.is_race() {
                        tracing::debug!(namespace = self.namespace(), cluster = self.name(), %error, "looking again");
                        AFTER_RACE
                    } else {
                        tracing::warn!(namespace = self.namespace(), cluster = self.name(), %error, "round not finished");
                        failures = failures.saturating_add(1);
                        (AFTER_ERROR * 2u32.pow(failures.min(6) - 1)).min(AFTER_ERROR_MAX)
                    }
                }
            };
            self.tools.metrics.round(began.elapsed());
            tokio::select! {
                biased;
                () = waker.notified() => sleep(SETTLE.min(pause)).await,
                () = sleep(pause) => {}
            }
        }
        self.tools.metrics.forget(&self.key);
        self.tools.watches.wakers().remove(&self.key);
    }

    /// One round.
    async fn round(&mut self) -> Result<Next, Error> {
        // Live: a decision on an old status could begin an operation a second time.
        let Some(object) = self.read_cluster().await? else {
            // However late the watch is: whoever begins anew for it would find the same.
            let clusters = &self.tools.watches.clusters;
            if let Some(uid) =
                clusters.get(self.namespace(), self.name()).and_then(|known| known.metadata.uid.clone())
            {
                clusters.forget(&uid);
            }
            return Ok(Next::Gone);
        };
        let cluster = match ValidatedCluster::try_from(&object) {
            Ok(cluster) => cluster,
            Err(invalid) => match without_spec(&object) {
                Some(cluster) => cluster,
                None => return self.refuse(object, &invalid).await,
            },
        };
        let observation = self.observe(&object, &cluster).await?;
        let decision = plan(&cluster, &observation);
        tracing::debug!(
            namespace = self.namespace(), cluster = self.name(),
            row = ?decision.row, action = ?decision.action, requeue = ?decision.requeue, "decided"
        );
        self.tools.metrics.show(&self.key, &decision.status, cluster.replicas());
        let mut object = object;
        if decision.status != observation.status {
            self.count_ended(&observation.status, &decision.status);
            object = self.write_status(object, &decision.status).await?;
        }
        let mut done = Ok(());
        if let Some(action) = &decision.action {
            let voters = self.voters(&decision.status);
            let image = self.tools.image.clone();
            let scene = Scene {
                cluster: &cluster,
                object: &object,
                default_image: &image,
                fsid: decision.status.fsid.as_deref(),
                voters: &voters,
            };
            done = self.execute(&scene, action).await;
        }
        // They tell of what is written in the status by now, whatever came of the action.
        self.publish(&object, &decision.events).await;
        done?;
        Ok(Next::After(match decision.requeue {
            Requeue::Now => AT_ONCE,
            Requeue::After(pause) => pause.max(AT_ONCE),
        }))
    }

    async fn write_status(&self, object: MonCluster, status: &MonClusterStatus) -> Result<MonCluster, Error> {
        let what = format!("cannot write the status of MonCluster {}", self.name());
        let object = MonCluster { status: Some(status.clone()), ..object };
        let written =
            self.api::<MonCluster>().replace_status(self.name(), &PostParams::default(), &object).await;
        written.map_err(api_error(what))
    }

    fn count_ended(&self, before: &MonClusterStatus, after: &MonClusterStatus) {
        for ended in after.history.iter().filter(|it| before.history.iter().all(|known| known.id != it.id)) {
            self.tools.metrics.ended(&self.key, ended);
        }
    }

    /// The spec cannot be worked with: nothing is changed, and the status says why.
    async fn refuse(&self, object: MonCluster, Invalid(lines): &Invalid) -> Result<Next, Error> {
        let before = object.status.clone().unwrap_or_default();
        let mut status = before.clone();
        let generation = object.metadata.generation.unwrap_or(0);
        let condition = Condition {
            kind: "Ready".into(),
            status: ConditionStatus::False,
            observed_generation: generation,
            last_transition_time: match before.condition("Ready") {
                Some(known) if known.status == ConditionStatus::False => known.last_transition_time,
                Some(_) | None => self.now(),
            },
            reason: "InvalidSpec".into(),
            message: lines.join("; "),
        };
        status.observed_generation = generation;
        status.conditions.retain(|known| known.kind != condition.kind);
        status.conditions.push(condition);
        if status != before {
            self.write_status(object, &status).await?;
        }
        Ok(Next::After(INVALID))
    }
}

/// A cluster that is being deleted goes whatever its spec says; then everything is kept.
fn without_spec(object: &MonCluster) -> Option<ValidatedCluster> {
    object.metadata.deletion_timestamp.as_ref()?;
    let plain = MonCluster { spec: MonClusterSpec::default(), ..object.clone() };
    ValidatedCluster::try_from(&plain).ok()
}
