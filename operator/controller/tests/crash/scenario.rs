//! What happens to a cluster, and how it must be afterwards.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use moncluster_memapi::World;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::lab::{CLUSTER, NAMESPACE, Origin, cluster};

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) from: Origin,
    /// What happens.
    pub(crate) act: fn(World) -> Act,
    /// How it must be at the end.
    pub(crate) done: fn(&World) -> Result<(), String>,
}

pub(crate) type Act = Pin<Box<dyn Future<Output = ()>>>;

fn now(act: impl FnOnce()) -> Act {
    act();
    Box::pin(std::future::ready(()))
}

fn spec(world: &World, change: Value) {
    world.put("monclusters", NAMESPACE, CLUSTER, json!({"spec": change}));
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a_new_cluster",
        from: Origin::Nothing,
        act: |world| now(|| world.put("monclusters", NAMESPACE, CLUSTER, cluster(3))),
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "one_becomes_three",
        from: Origin::One,
        act: |world| now(|| spec(&world, json!({"replicas": 3}))),
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "three_become_five",
        from: Origin::Three,
        act: |world| now(|| spec(&world, json!({"replicas": 5}))),
        done: |world| is_settled(world, 5),
    },
    Scenario {
        name: "five_become_three",
        from: Origin::Five,
        act: |world| now(|| spec(&world, json!({"replicas": 3}))),
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "three_become_one",
        from: Origin::Three,
        act: |world| now(|| spec(&world, json!({"replicas": 1, "allowSingle": true}))),
        done: |world| is_settled(world, 1),
    },
    Scenario {
        name: "an_even_number_is_refused",
        from: Origin::Three,
        act: |world| now(|| spec(&world, json!({"replicas": 2}))),
        done: |world| {
            let ready = condition(world, "Ready");
            ensure(ready["reason"] == "InvalidSpec", || format!("Ready is {ready}"))?;
            ensure(world.voters().len() == 3 && world.in_quorum().len() == 3, || "voters changed".into())
        },
    },
    Scenario {
        name: "another_image",
        from: Origin::Three,
        act: |world| now(|| spec(&world, json!({"image": {"repository": "moncluster", "tag": "next"}}))),
        done: |world| {
            is_settled(world, 3)?;
            let images = every_pod(world, "/spec/containers/0/image");
            ensure(images.iter().all(|image| image == "moncluster:next"), || format!("images {images:?}"))
        },
    },
    Scenario {
        name: "another_option",
        from: Origin::Three,
        act: |world| now(|| spec(&world, json!({"config": {"mon_lease": "3"}}))),
        done: |world| {
            is_settled(world, 3)?;
            let conf = world.get("configmaps", NAMESPACE, "test-mon-config").unwrap_or_default();
            let text = conf["data"]["ceph.conf"].as_str().unwrap_or_default().to_owned();
            ensure(text.contains("mon lease = 3"), || format!("configuration {text}"))?;
            same_revision(world)
        },
    },
    Scenario {
        name: "the_disruption_budget_is_not_wanted",
        from: Origin::Three,
        act: |world| now(|| spec(&world, json!({"disruption": {"pdb": "Disabled"}}))),
        done: |world| {
            is_settled(world, 3)?;
            let left = world.list("poddisruptionbudgets", NAMESPACE).len();
            ensure(left == 0, || format!("{left} budgets are left"))
        },
    },
    Scenario {
        name: "a_pod_is_deleted",
        from: Origin::Three,
        act: |world| now(|| world.delete("pods", NAMESPACE, &pod_of(&peon(&world)))),
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "the_leaders_pod_is_deleted",
        from: Origin::Three,
        act: |world| now(|| world.delete("pods", NAMESPACE, &pod_of(&leader(&world)))),
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "a_stateful_set_is_deleted",
        from: Origin::Three,
        act: |world| now(|| world.destroy("statefulsets", NAMESPACE, &object_of(&peon(&world)))),
        done: |world| {
            is_settled(world, 3)?;
            ensure(world.voters() == ["a", "b", "c"], || format!("voters {:?}", world.voters()))
        },
    },
    Scenario {
        name: "a_service_is_deleted",
        from: Origin::Three,
        act: |world| now(|| world.destroy("services", NAMESPACE, &object_of(&peon(&world)))),
        done: |world| {
            is_settled(world, 3)?;
            ensure(world.voters() == ["a", "b", "c"], || format!("voters {:?}", world.voters()))
        },
    },
    Scenario {
        name: "a_node_is_deleted",
        from: Origin::Three,
        act: |world| {
            now(|| {
                let node = node_of(&world, &leader(&world));
                world.kill_node(&node);
                world.delete("nodes", "", &node);
            })
        },
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "a_node_dies",
        from: Origin::Three,
        act: |world| now(|| world.kill_node(&node_of(&world, &peon(&world)))),
        done: |world| is_settled_without_dead(world, 3),
    },
    Scenario {
        name: "a_node_is_cut_off",
        from: Origin::Three,
        act: |world| {
            Box::pin(async move {
                let node = node_of(&world, &peon(&world));
                world.cut_off_node(&node, true);
                sleep(Duration::from_secs(30)).await;
                world.cut_off_node(&node, false);
            })
        },
        done: |world| {
            is_settled(world, 3)?;
            ensure(world.voters() == ["a", "b", "c"], || format!("replaced too soon: {:?}", world.voters()))
        },
    },
    Scenario {
        name: "a_volume_is_lost",
        from: Origin::Three,
        act: |world| {
            now(|| {
                let lost = peon(&world);
                world.destroy("persistentvolumeclaims", NAMESPACE, &format!("{}-data", object_of(&lost)));
            })
        },
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "a_disk_is_wiped",
        from: Origin::Three,
        act: |world| now(|| world.wipe_claim(NAMESPACE, &format!("{}-data", object_of(&leader(&world))))),
        done: |world| is_settled(world, 3),
    },
    Scenario {
        name: "nodes_are_drained_in_turn",
        from: Origin::Three,
        act: |world| Box::pin(drain_all(world)),
        done: |world| {
            is_settled(world, 3)?;
            ensure(world.voters() == ["a", "b", "c"], || format!("replaced: {:?}", world.voters()))
        },
    },
    Scenario {
        name: "the_leader_is_replaced_on_request",
        from: Origin::Three,
        act: |world| {
            now(|| {
                let request = format!("replace:a:{}", moncluster_api::Moment::from(world.now()));
                let annotations = json!({"annotations": {"moncluster.io/request": request}});
                world.put("monclusters", NAMESPACE, CLUSTER, json!({"metadata": annotations}));
            })
        },
        done: |world| {
            is_settled(world, 3)?;
            ensure(!world.voters().contains(&"a".to_owned()), || format!("voters {:?}", world.voters()))
        },
    },
    Scenario {
        name: "two_members_are_lost_and_one_comes_back",
        from: Origin::Three,
        act: |world| {
            Box::pin(async move {
                let names = world.voters();
                let nodes: Vec<_> = names.iter().map(|name| node_of(&world, name)).collect();
                world.kill_node(&nodes[1]);
                world.kill_node(&nodes[2]);
                sleep(Duration::from_secs(300)).await;
                assert_eq!(world.voters(), names, "membership was changed without a quorum");
                world.revive_node(&nodes[1]);
            })
        },
        done: |world| is_settled_without_dead(world, 3),
    },
    Scenario {
        name: "a_cluster_is_deleted_and_kept",
        from: Origin::Three,
        act: |world| now(|| world.delete("monclusters", NAMESPACE, CLUSTER)),
        done: |world| {
            is_gone(world)?;
            let (claims, secret) = (world.list("persistentvolumeclaims", NAMESPACE), "test-mon-keyring");
            ensure(
                claims.len() == 3 && claims.iter().all(|it| it["metadata"]["deletionTimestamp"].is_null()),
                || format!("{} claims are left", claims.len()),
            )?;
            ensure(world.get("secrets", NAMESPACE, secret).is_some(), || "the keyring is gone".into())
        },
    },
    Scenario {
        name: "a_cluster_is_deleted_for_good",
        from: Origin::Three,
        act: |world| {
            now(|| {
                spec(&world, json!({"deletionPolicy": "Delete"}));
                world.delete("monclusters", NAMESPACE, CLUSTER);
            })
        },
        done: |world| {
            is_gone(world)?;
            for kind in ["persistentvolumeclaims", "secrets", "services", "configmaps"] {
                let left = world.list(kind, NAMESPACE);
                ensure(left.is_empty(), || format!("{} {kind} are left", left.len()))?;
            }
            Ok(())
        },
    },
    Scenario {
        name: "a_kept_cluster_is_adopted",
        from: Origin::Kept,
        act: |world| now(|| world.put("monclusters", NAMESPACE, CLUSTER, cluster(3))),
        done: |world| {
            is_settled(world, 3)?;
            ensure(world.voters() == ["a", "b", "c"], || format!("not the old ones: {:?}", world.voters()))
        },
    },
];

/// All is as the spec says, and the status says so.
pub(crate) fn is_settled(world: &World, replicas: u32) -> Result<(), String> {
    settled(world, replicas, false)
}

/// The same; on dead nodes there may be what their kubelets would have to end.
fn is_settled_without_dead(world: &World, replicas: u32) -> Result<(), String> {
    settled(world, replicas, true)
}

fn settled(world: &World, replicas: u32, dead: bool) -> Result<(), String> {
    let object = world.get("monclusters", NAMESPACE, CLUSTER).ok_or("there is no MonCluster")?;
    let status = &object["status"];
    let count = replicas as usize;
    ensure(status["operation"].is_null(), || format!("operation {}", status["operation"]))?;
    let ready = condition(world, "Ready");
    ensure(ready["status"] == "True", || format!("Ready is {ready}"))?;
    ensure(ready["observedGeneration"] == object["metadata"]["generation"], || {
        "the status is of an older spec".into()
    })?;
    let voters: BTreeSet<String> = world.voters().into_iter().collect();
    ensure(voters.len() == count, || format!("voters {voters:?}"))?;
    ensure(world.in_quorum().len() == count, || format!("in quorum {:?}", world.in_quorum()))?;
    let sets = members_of(world, "statefulsets");
    ensure(sets == voters, || format!("StatefulSets of {sets:?}, voters {voters:?}"))?;
    let services = members_of(world, "services");
    ensure(services == voters, || format!("Services of {services:?}, voters {voters:?}"))?;
    let pods = members_of(world, "pods");
    ensure(if dead { pods.is_superset(&voters) } else { pods == voters }, || format!("pods of {pods:?}"))?;
    let claims = members_of(world, "persistentvolumeclaims");
    ensure(claims.is_superset(&voters), || format!("claims of {claims:?}"))?;
    let named: BTreeSet<String> = status["members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|member| member["name"].as_str().map(str::to_owned))
        .collect();
    ensure(named == voters, || format!("the status names {named:?}"))?;
    let config = world.get("configmaps", NAMESPACE, "test-client").unwrap_or_default();
    let hosts = config["data"]["mon_host"].as_str().unwrap_or_default().matches("v2:").count();
    ensure(hosts == count, || format!("clients are told of {hosts} monitors"))
}

fn is_gone(world: &World) -> Result<(), String> {
    ensure(world.get("monclusters", NAMESPACE, CLUSTER).is_none(), || "the MonCluster is there".into())?;
    for kind in ["statefulsets", "pods", "poddisruptionbudgets", "networkpolicies"] {
        let left = world.list(kind, NAMESPACE).len();
        ensure(left == 0, || format!("{left} {kind} are left"))?;
    }
    Ok(())
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn condition(world: &World, kind: &str) -> Value {
    let object = world.get("monclusters", NAMESPACE, CLUSTER).unwrap_or_default();
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.into_iter().find(|condition| condition["type"] == kind).unwrap_or_default()
}

fn members_of(world: &World, kind: &str) -> BTreeSet<String> {
    let all = world.list(kind, NAMESPACE);
    let label = |object: &Value| {
        object.pointer("/metadata/labels/moncluster.io~1member").and_then(Value::as_str).map(str::to_owned)
    };
    all.iter().filter_map(label).collect()
}

fn every_pod(world: &World, pointer: &str) -> Vec<Value> {
    world
        .list("pods", NAMESPACE)
        .iter()
        .map(|pod| pod.pointer(pointer).cloned().unwrap_or_default())
        .collect()
}

fn same_revision(world: &World) -> Result<(), String> {
    let pods: BTreeSet<String> = every_pod(world, "/metadata/labels/controller-revision-hash")
        .iter()
        .filter_map(|it| it.as_str().map(str::to_owned))
        .collect();
    let sets: BTreeSet<String> = world
        .list("statefulsets", NAMESPACE)
        .iter()
        .filter_map(|set| set["status"]["updateRevision"].as_str().map(str::to_owned))
        .collect();
    ensure(pods == sets, || format!("pods {pods:?}, StatefulSets {sets:?}"))
}

fn object_of(member: &str) -> String {
    format!("{CLUSTER}-mon-{member}")
}

fn pod_of(member: &str) -> String {
    format!("{}-0", object_of(member))
}

fn node_of(world: &World, member: &str) -> String {
    let pod = world.get("pods", NAMESPACE, &pod_of(member)).unwrap_or_default();
    pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()
}

fn leader(world: &World) -> String {
    world.leader().unwrap()
}

fn peon(world: &World) -> String {
    let leader = leader(world);
    world.in_quorum().into_iter().find(|name| *name != leader).unwrap()
}

/// As `kubectl drain` does it, node after node: cordon, evict until it is allowed, work on the node, uncordon.
async fn drain_all(world: World) {
    for member in world.voters() {
        let node = node_of(&world, &member);
        world.set("nodes", "", &node, &["spec", "unschedulable"], true.into());
        let pod = pod_of(&member);
        while !world.evict(NAMESPACE, &pod) {
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(20)).await;
        world.set("nodes", "", &node, &["spec", "unschedulable"], false.into());
    }
}
