//! What one screen is made from.

use k8s_openapi::api::core::v1::Pod;
use moncluster_api::{Moment, MonClusterStatus, label};
use serde::{Deserialize, Serialize};

/// A MonCluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Screen {
    pub(crate) now: Moment,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) replicas: u32,
    #[serde(default)]
    pub(crate) paused: bool,
    pub(crate) status: MonClusterStatus,
    /// What the PodDisruptionBudget lets go now; absent where there is none.
    #[serde(default)]
    pub(crate) disruptions_allowed: Option<u32>,
    #[serde(default)]
    pub(crate) pods: Vec<PodLine>,
}

/// A pod in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodLine {
    pub(crate) name: String,
    pub(crate) member: String,
    pub(crate) state: String,
    pub(crate) restarts: i32,
}

impl PodLine {
    pub(crate) fn of(pod: &Pod) -> Option<Self> {
        let status = pod.status.clone().unwrap_or_default();
        let container = status.container_statuses.unwrap_or_default().into_iter().next();
        let waiting = container.as_ref().and_then(|one| one.state.as_ref()?.waiting.as_ref()?.reason.clone());
        let state = match pod.metadata.deletion_timestamp {
            Some(_) => "Terminating".into(),
            None => waiting.or(status.phase).unwrap_or_else(|| "Unknown".into()),
        };
        Some(Self {
            name: pod.metadata.name.clone()?,
            member: pod.metadata.labels.as_ref()?.get(label::MEMBER)?.clone(),
            state,
            restarts: container.map_or(0, |one| one.restart_count),
        })
    }
}

impl Screen {
    /// How long ago something was, in the largest unit that says enough.
    pub(crate) fn ago(&self, then: Moment) -> String {
        length(self.now.since(then).as_secs())
    }

    pub(crate) fn until(&self, then: Moment) -> String {
        length(then.since(self.now).as_secs())
    }
}

fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
