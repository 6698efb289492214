//! etcd, the API server, the controller manager and the scheduler; and a kube-proxy for clients beside them.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use moncluster_wait as wait;
use serde_json::json;

use super::network::SERVER;
use super::{CONTROL, Lab, network, process};
use crate::kube;

/// Seconds without a sign of life after which a node counts as NotReady. Kubernetes' default is 40 to 50; the
/// scenarios that wait for it would take that much longer.
const NODE_GRACE_S: u32 = 16;

/// Starts all, and returns when the API server is ready.
pub(super) fn start(lab: &Lab) -> Result<()> {
    let mut etcd = Command::new(lab.program("etcd"));
    // Its data need not outlive a power cut; the disk is left to the monitors.
    etcd.arg("--data-dir").arg(lab.path("etcd")).args([
        "--unsafe-no-fsync",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
    ]);
    process::start(&lab.folder, CONTROL, "etcd", &mut etcd)?;

    let mut server = Command::new(lab.program("kube-apiserver"));
    server.args([
        "--etcd-servers=http://127.0.0.1:2379",
        "--bind-address=0.0.0.0",
        &format!("--advertise-address={SERVER}"),
        "--secure-port=6443",
        "--tls-cert-file=pki/apiserver.crt",
        "--tls-private-key-file=pki/apiserver.key",
        "--client-ca-file=pki/ca.crt",
        "--authorization-mode=Node,RBAC",
        "--service-account-key-file=pki/tokens.pub",
        "--service-account-signing-key-file=pki/tokens.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--kubelet-client-certificate=pki/admin.crt",
        "--kubelet-client-key=pki/admin.key",
        "--kubelet-certificate-authority=pki/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--cert-dir=certs",
    ]);
    process::start(&lab.folder, CONTROL, "apiserver", &mut server)?;
    wait::until("the API server to be ready", Duration::from_secs(120), || {
        Ok(lab.kubectl().args(["get", "--raw", "/readyz"]).output()?.status.success().then_some(()))
    })?;

    let mut manager = Command::new(lab.program("kube-controller-manager"));
    manager.args([
        "--kubeconfig=pki/manager.kubeconfig",
        "--service-account-private-key-file=pki/tokens.key",
        "--root-ca-file=pki/ca.crt",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        &format!("--node-monitor-grace-period={NODE_GRACE_S}s"),
    ]);
    process::start(&lab.folder, CONTROL, "manager", &mut manager)?;
    let mut scheduler = Command::new(lab.program("kube-scheduler"));
    scheduler.args(["--kubeconfig=pki/scheduler.kubeconfig", "--leader-elect=false"]);
    process::start(&lab.folder, CONTROL, "scheduler", &mut scheduler)
}

/// Makes the addresses of services work in the control plane's namespace, where our clients are. kube-proxy waits half
/// a minute for a Node object of its name, so it is shown one, which is taken away again.
pub(super) fn route_services(lab: &Lab) -> Result<()> {
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "ctl"},
        "spec": {"unschedulable": true},
        "status": {"addresses": [{"type": "InternalIP", "address": SERVER}]},
    });
    kube::feed(lab.kubectl().args(["create", "-f", "-"]), node.to_string().as_bytes())?;
    let mut proxy = proxy(lab, "ctl");
    process::start(&lab.folder, CONTROL, "ctl.proxy", &mut proxy)?;
    let routed = wait::until("services to be reachable", Duration::from_secs(45), || {
        Ok(network::services_are_routed().then_some(()))
    });
    super::run(lab.kubectl().args(["delete", "node", "ctl"]))?;
    routed
}

/// kube-proxy for one namespace.
pub(super) fn proxy(lab: &Lab, name: &str) -> Command {
    let mut proxy = Command::new(lab.program("kube-proxy"));
    proxy.args([
        "--kubeconfig=pki/proxy.kubeconfig",
        &format!("--hostname-override={name}"),
        "--proxy-mode=iptables",
        "--cluster-cidr=10.88.0.0/16",
        // Those belong to the whole machine.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]);
    proxy
}
