//! What must be in place before anything can be looked after; said clearly where it is not.

use kube::api::{Api, ListParams};
use kube::{Client, Resource};
use moncluster_api::MonCluster;

use crate::error::is_status;

/// What is not in place.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// There are no MonClusters in this Kubernetes.
    #[error(
        "the CustomResourceDefinition monclusters.moncluster.io is not installed: install the chart, or \
         'moncluster-operator crd | kubectl apply -f -'"
    )]
    NoCrd,
    /// The role does not allow it.
    #[error(
        "the operator's role does not let it list MonClusters{0}: install the chart with rbac.create, or bind its role"
    )]
    NoRights(String),
    /// The API server does not answer.
    #[error(
        "cannot reach the API server: {0}; is KUBECONFIG right, or does this run in a pod with a service account?"
    )]
    NoServer(Box<kube::Error>),
}

/// Looks whether MonClusters can be listed.
///
/// # Errors
/// When they cannot, with what to do.
pub async fn preflight(client: &Client, namespaces: &[String]) -> Result<(), NotReady> {
    let one = ListParams::default().limit(1);
    let listed = match namespaces.first() {
        Some(namespace) => Api::<MonCluster>::namespaced(client.clone(), namespace).list(&one).await,
        None => Api::<MonCluster>::all(client.clone()).list(&one).await,
    };
    match listed {
        Ok(_) => Ok(()),
        Err(error) if is_status(&error, 404) => Err(NotReady::NoCrd),
        Err(error) if is_status(&error, 403) || is_status(&error, 401) => {
            let place = namespaces.first().map(|namespace| format!(" in namespace {namespace}"));
            Err(NotReady::NoRights(place.unwrap_or_default()))
        }
        Err(error) => {
            tracing::debug!(plural = %MonCluster::plural(&()), %error, "preflight");
            Err(NotReady::NoServer(Box::new(error)))
        }
    }
}
