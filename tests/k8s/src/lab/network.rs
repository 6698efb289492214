//! Namespaces, one bridge, a cable for every node, static routes between their pods.

use std::process::Command;

use anyhow::Result;

use super::{CONTROL, output, run};

/// Where the API server listens.
pub(super) const SERVER: &str = "10.77.0.1";

/// A node's namespace.
pub(super) fn namespace(number: usize) -> String {
    format!("mcl-n{number}")
}

/// A node's address.
pub(super) fn address(number: usize) -> String {
    format!("10.77.0.1{number}")
}

/// The addresses of a node's pods.
pub(super) fn pods(number: usize) -> String {
    format!("10.88.{number}.0/24")
}

/// Why there can be no namespaces here.
pub(super) fn obstacle() -> Option<String> {
    let probe = "mcl-probe";
    let made = run(ip().args(["netns", "add", probe]));
    let _ = ip().args(["netns", "del", probe]).output();
    made.err().map(|error| format!("network namespaces cannot be made: {error:#}"))
}

/// Makes all of it.
pub(super) fn make(nodes: usize) -> Result<()> {
    run(ip().args(["netns", "add", CONTROL]))?;
    within(CONTROL, "link set lo up")?;
    within(CONTROL, "link add br0 type bridge")?;
    within(CONTROL, &format!("addr add {SERVER}/24 dev br0"))?;
    within(CONTROL, "link set br0 up")?;
    // Addresses of services become those of pods later than the kernel asks for a route.
    within(CONTROL, "route add 10.96.0.0/16 dev br0")?;
    for number in 1..=nodes {
        let (node, cable) = (namespace(number), cable(number));
        run(ip().args(["netns", "add", &node]))?;
        within(&node, "link set lo up")?;
        run(ip()
            .args(["link", "add", &cable, "netns", CONTROL, "type", "veth"])
            .args(["peer", "name", "eth0", "netns", &node]))?;
        within(CONTROL, &format!("link set {cable} master br0 up"))?;
        within(&node, &format!("addr add {}/24 dev eth0", address(number)))?;
        within(&node, "link set eth0 up")?;
        within(&node, &format!("route add default via {SERVER}"))?;
        within(CONTROL, &format!("route add {} via {}", pods(number), address(number)))?;
        run(enter(&node).args(["sysctl", "-qw", "net.ipv4.ip_forward=1"]))?;
        for other in (1..=nodes).filter(|other| *other != number) {
            within(&node, &format!("route add {} via {}", pods(other), address(other)))?;
        }
    }
    Ok(())
}

/// Cuts a node off.
pub(super) fn cut(number: usize) -> Result<()> {
    within(CONTROL, &format!("link set {} down", cable(number)))
}

/// Undoes that.
pub(super) fn mend(number: usize) -> Result<()> {
    within(CONTROL, &format!("link set {} up", cable(number)))
}

/// Removes every namespace of ours.
pub(super) fn remove() -> Result<()> {
    for name in output(ip().args(["netns", "list"]))?.lines().filter_map(|line| line.split(' ').next()) {
        if name.starts_with("mcl-") {
            run(ip().args(["netns", "del", name]))?;
        }
    }
    Ok(())
}

/// Whether kube-proxy has made services reachable from the control plane's namespace.
pub(super) fn services_are_routed() -> bool {
    enter(CONTROL).args(["iptables", "-t", "nat", "-S", "KUBE-SERVICES"]).output().is_ok_and(|said| {
        said.status.success() && String::from_utf8_lossy(&said.stdout).contains("-j KUBE-SVC-")
    })
}

fn cable(number: usize) -> String {
    format!("c{number}")
}

fn within(namespace: &str, words: &str) -> Result<()> {
    run(ip().args(["-n", namespace]).args(words.split(' ')))
}

fn enter(namespace: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}"));
    command
}

fn ip() -> Command {
    Command::new("ip")
}
