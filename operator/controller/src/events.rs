//! What was decided, told to people as Kubernetes events of the MonCluster.

use k8s_openapi::api::events::v1::Event as KubeEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Resource;
use kube::api::{ObjectMeta, PostParams};
use moncluster_api::{MonCluster, label};
use moncluster_plan::{Event, EventKind};
use tokio::time::{Duration, Instant};

use crate::worker::Worker;

/// The same thing is not told again within this.
const QUIET: Duration = Duration::from_secs(600);
/// Notes of events are limited by the API server.
const NOTE_BYTES_MAX: usize = 1000;

impl Worker {
    /// Tells. That nobody could be told stops nothing.
    pub(crate) async fn publish(&mut self, object: &MonCluster, events: &[Event]) {
        self.memory.told.retain(|_, at| at.elapsed() < QUIET);
        for event in events {
            let text = match &event.member {
                Some(member) => format!("mon.{member}: {}", event.message),
                None => event.message.clone(),
            };
            tracing::info!(namespace = self.namespace(), cluster = self.name(), reason = ?event.reason, "{text}");
            if self.memory.told.insert(text.clone(), Instant::now()).is_some() {
                continue;
            }
            let event = self.rendered(object, event, &text);
            if let Err(error) = self.api::<KubeEvent>().create(&PostParams::default(), &event).await {
                tracing::warn!(%error, "cannot publish an event");
            }
        }
    }

    fn rendered(&self, object: &MonCluster, event: &Event, text: &str) -> KubeEvent {
        let reason = format!("{:?}", event.reason);
        let mut note = text.to_owned();
        if note.len() > NOTE_BYTES_MAX {
            note.truncate(note.floor_char_boundary(NOTE_BYTES_MAX));
        }
        KubeEvent {
            metadata: ObjectMeta {
                name: Some(format!("{}.{}", self.name(), uuid::Uuid::new_v4().simple())),
                namespace: Some(self.namespace().to_owned()),
                ..ObjectMeta::default()
            },
            action: Some(reason.clone()),
            reason: Some(reason),
            note: Some(note),
            type_: Some(match event.reason.kind() {
                EventKind::Normal => "Normal".into(),
                EventKind::Warning => "Warning".into(),
            }),
            event_time: Some(MicroTime(self.tools.clock.now())),
            regarding: Some(object.object_ref(&())),
            reporting_controller: Some(label::FIELD_OWNER.into()),
            reporting_instance: Some(self.tools.identity.to_string()),
            ..KubeEvent::default()
        }
    }
}
