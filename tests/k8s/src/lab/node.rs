//! One node: containerd, kubelet, kube-proxy.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use moncluster_wait as wait;
use serde_json::json;

use super::{Lab, cgroup, control_plane, leftovers, network, node_name, process, run};

/// Where a node keeps everything.
fn folder(lab: &Lab, number: usize) -> PathBuf {
    lab.path(&node_name(number))
}

/// Writes a node's configuration.
pub(super) fn prepare(lab: &Lab, number: usize) -> Result<()> {
    let folder = folder(lab, number);
    for name in ["cni", "kubelet", "run", "disks", "log"] {
        fs::create_dir_all(folder.join(name))?;
    }
    cgroup::make(number)?;
    let cni = json!({
        "cniVersion": "1.0.0", "name": "lab",
        "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true, "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": network::pods(number)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": folder.join("ipam"),
            }},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    fs::write(folder.join("cni/10-lab.conflist"), cni.to_string())?;
    fs::write(folder.join("containerd.toml"), containerd(lab, number))?;
    fs::write(folder.join("kubelet.yaml"), kubelet(lab, number).to_string())?;
    Ok(())
}

/// Starts containerd.
pub(super) fn start_runtime(lab: &Lab, number: usize) -> Result<()> {
    let mut containerd = Command::new("containerd");
    containerd.arg("-c").arg(folder(lab, number).join("containerd.toml"));
    process::start(
        &lab.folder,
        &network::namespace(number),
        &format!("n{number}.containerd"),
        &mut containerd,
    )
}

/// Loads images and starts what makes a node of it.
pub(super) fn join(lab: &Lab, number: usize, images: &[PathBuf]) -> Result<()> {
    wait::until("containerd to answer", Duration::from_secs(30), || {
        Ok(ctr(lab, number).arg("version").output()?.status.success().then_some(()))
    })?;
    for image in images {
        run(ctr(lab, number).args(["images", "import"]).arg(image))
            .with_context(|| format!("node n{number} cannot load {}", image.display()))?;
    }
    let (name, namespace) = (node_name(number), network::namespace(number));
    let mut kubelet = Command::new(lab.program("kubelet"));
    kubelet.arg("--config").arg(folder(lab, number).join("kubelet.yaml"));
    kubelet.arg("--root-dir").arg(folder(lab, number).join("kubelet"));
    kubelet.args([
        &format!("--kubeconfig=pki/{name}.kubeconfig"),
        &format!("--hostname-override={name}"),
        &format!("--node-ip={}", network::address(number)),
    ]);
    process::start(&lab.folder, &namespace, &format!("{name}.kubelet"), &mut kubelet)?;
    process::start(&lab.folder, &namespace, &format!("{name}.proxy"), &mut control_plane::proxy(lab, &name))
}

/// Kills every process of a node.
pub(super) fn kill(lab: &Lab, number: usize) -> Result<()> {
    for program in ["kubelet", "proxy", "containerd"] {
        process::kill(&lab.folder, &format!("n{number}.{program}"));
    }
    // Shims outlive containerd, and containers their shims.
    process::kill_by_argument("containerd-shim", &folder(lab, number).display().to_string())?;
    wait::until("a node's processes to end", Duration::from_secs(20), || {
        cgroup::kill(number);
        let alive = ["kubelet", "proxy", "containerd"];
        Ok((!alive.iter().any(|program| process::is_running(&lab.folder, &format!("n{number}.{program}"))))
            .then_some(()))
    })
}

/// Removes what a machine forgets when it loses power: mounts, sockets, the state of containers.
pub(super) fn clear_memory(lab: &Lab, number: usize) -> Result<()> {
    let folder = folder(lab, number);
    leftovers::unmount(&folder)?;
    fs::remove_dir_all(folder.join("run"))?;
    fs::create_dir_all(folder.join("run"))?;
    Ok(())
}

/// The command line of a node's containerd.
pub(super) fn ctr(lab: &Lab, number: usize) -> Command {
    let mut command = Command::new("ctr");
    command.arg("-a").arg(folder(lab, number).join("run/containerd.sock")).args(["-n", "k8s.io"]);
    command
}

fn containerd(lab: &Lab, number: usize) -> String {
    let folder = folder(lab, number);
    let folder = folder.display();
    format!(
        r#"version = 2
root = "{folder}/containerd"
state = "{folder}/run/containerd"
[grpc]
  address = "{folder}/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:lab"
  restrict_oom_score_adj = true
  disable_apparmor = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"#
    )
}

/// JSON is YAML, too.
fn kubelet(lab: &Lab, number: usize) -> serde_json::Value {
    let folder = folder(lab, number);
    let name = node_name(number);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "x509": {"clientCAFile": lab.path("pki/ca.crt")},
            "webhook": {"enabled": true},
        },
        "tlsCertFile": lab.path(&format!("pki/{name}.crt")),
        "tlsPrivateKeyFile": lab.path(&format!("pki/{name}.key")),
        "containerRuntimeEndpoint": format!("unix://{}", folder.join("run/containerd.sock").display()),
        "podLogsDir": folder.join("log"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup::name(number),
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "nodeStatusUpdateFrequency": "4s",
        "resolvConf": "",
        // The nodes share one disk; what others fill must not evict pods.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    })
}
