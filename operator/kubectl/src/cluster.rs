//! What is read from the API server.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use moncluster_api::{Moment, MonCluster, ObjectNames, label};

use crate::args::Arguments;
use crate::screen::{PodLine, Screen};

/// A way to one MonCluster.
pub(crate) struct Access {
    client: Client,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Access {
    pub(crate) async fn new(arguments: &Arguments) -> Result<Self> {
        let options =
            KubeConfigOptions { context: arguments.context.clone(), ..KubeConfigOptions::default() };
        let config = match (&arguments.context, Kubeconfig::read()) {
            (_, Ok(kubeconfig)) => Config::from_custom_kubeconfig(kubeconfig, &options).await?,
            (None, Err(_)) => Config::infer().await?,
            (Some(_), Err(error)) => return Err(error).context("the kubeconfig cannot be read"),
        };
        let namespace = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("there is no way to the API server")?;
        let name = match &arguments.cluster {
            Some(name) => name.clone(),
            None => only_one(&client, &namespace).await?,
        };
        Ok(Self { client, namespace, name })
    }

    pub(crate) fn clusters(&self) -> Api<MonCluster> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn cluster(&self) -> Result<MonCluster> {
        let found = self.clusters().get_opt(&self.name).await?;
        found.with_context(|| format!("there is no MonCluster {}/{}", self.namespace, self.name))
    }

    /// Everything for one screen. Pods and budget are shown as far as they may be read.
    pub(crate) async fn screen(&self) -> Result<Screen> {
        let cluster = self.cluster().await?;
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.namespace);
        let ours = ListParams::default().labels(&format!("{}={}", label::CLUSTER, self.name));
        let pods = pods.list(&ours).await.map(|list| list.items).unwrap_or_default();
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), &self.namespace);
        let names = ObjectNames { cluster: &self.name };
        let budget = budgets.get_opt(&names.budget()).await.ok().flatten();
        Ok(Screen {
            now: Moment::from(jiff::Timestamp::now()),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            replicas: cluster.spec.replicas,
            paused: cluster.spec.paused,
            status: cluster.status.unwrap_or_default(),
            disruptions_allowed: budget
                .and_then(|budget| budget.status)
                .map(|status| u32::try_from(status.disruptions_allowed).unwrap_or(0)),
            pods: pods.iter().filter_map(PodLine::of).collect(),
        })
    }

    /// What each monitor's `/readyz` says, through the API server: with no quorum, no operator, no toolbox.
    pub(crate) async fn readiness(&self, screen: &Screen) -> BTreeMap<String, String> {
        let port = self.cluster().await.map_or(0, |cluster| cluster.spec.admin.port);
        let mut said = BTreeMap::new();
        for pod in &screen.pods {
            let path = format!(
                "/api/v1/namespaces/{}/pods/https:{}:{port}/proxy/readyz?verbose",
                self.namespace, pod.name
            );
            let Ok(request) = Request::get(path).body(Vec::new()) else { continue };
            let text = match self.client.request_text(request).await {
                Ok(_) => "ready".into(),
                Err(kube::Error::Api(status)) => status.message.lines().collect::<Vec<_>>().join("; "),
                Err(error) => error.to_string(),
            };
            said.insert(pod.member.clone(), text);
        }
        said
    }
}

async fn only_one(client: &Client, namespace: &str) -> Result<String> {
    let clusters: Api<MonCluster> = Api::namespaced(client.clone(), namespace);
    let list = clusters.list(&ListParams::default()).await.context("MonClusters cannot be listed")?;
    let names: Vec<_> = list.items.into_iter().filter_map(|cluster| cluster.metadata.name).collect();
    match &names[..] {
        [name] => Ok(name.clone()),
        [] => bail!("there is no MonCluster in namespace {namespace}: give another with -n"),
        several => bail!("there are several MonClusters, choose one with -c: {}", several.join(", ")),
    }
}
