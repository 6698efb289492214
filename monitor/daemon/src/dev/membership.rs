//! Changing who is in a development cluster.

use std::time::{Duration, Instant};

use mon_client::{Client, CommandReply, Target};
use mon_types::entity::{EntityName, EntityType};
use serde_json::{Value, json};

use crate::dev::cluster::Cluster;
use crate::dev::files::{self, cannot};
use crate::dev::process::{self, POLL_INTERVAL, Signal};
use crate::dev::progress::Step;
use crate::dev::status::{MemberState, all_in_quorum, wait};
use crate::dev::up::{first_monmap, make_data, start};
use crate::exit::{Exit, Failed};

const PATIENCE: Duration = Duration::from_secs(60);

/// One more voter: it is started with the others' addresses, syncs, and asks to join.
pub(crate) fn add(cluster: &mut Cluster) -> Result<(), Failed> {
    let monmap = first_monmap(cluster)?;
    let member = cluster.next_member();
    make_data(cluster, &member, &monmap)?;
    cluster.members.push(member.clone());
    files::save(cluster)?;
    start(cluster, &member)?;
    wait(cluster, &format!("waiting for mon.{} to join", member.name), PATIENCE, all_in_quorum)?;
    Ok(())
}

/// One voter less: the cluster forgets it, then its process ends and its data goes.
pub(crate) fn remove(cluster: &mut Cluster, name: &str) -> Result<(), Failed> {
    let member = cluster.member(name)?.clone();
    let what = format!("removing mon.{}", member.name);
    command(cluster, &what, &json!({ "prefix": "mon rm", "name": member.name }))?;
    forget(cluster, &member.name)
}

/// A new member in the place of an old one: it follows as a learner until it has everything, then the two
/// change places in one monmap epoch.
pub(crate) fn replace(cluster: &mut Cluster, old: &str) -> Result<(), Failed> {
    let old = cluster.member(old)?.clone();
    let monmap = first_monmap(cluster)?;
    let mut new = cluster.next_member();
    new.learner = true;
    let what = format!("announcing mon.{} as a learner", new.name);
    let addr = format!("v2:{}/0", new.socket());
    command(cluster, &what, &json!({ "prefix": "mon learner add", "name": new.name, "addr": addr }))?;
    make_data(cluster, &new, &monmap)?;
    cluster.members.push(new.clone());
    files::save(cluster)?;
    start(cluster, &new)?;

    // The old one may be dead, which is why it is replaced: only the new one's state matters.
    let follows = |states: &[MemberState]| {
        states.iter().any(|state| state.name == new.name && state.state == "learner")
    };
    wait_for_one(cluster, &new.name, &format!("waiting for mon.{} to sync", new.name), follows)?;
    let what = format!("replacing mon.{} by mon.{}", old.name, new.name);
    command(cluster, &what, &json!({ "prefix": "mon replace", "voter": old.name, "learner": new.name }))?;
    for member in cluster.members.iter_mut().filter(|member| member.name == new.name) {
        member.learner = false;
    }
    forget(cluster, &old.name)?;
    wait(cluster, "waiting for the quorum", PATIENCE, all_in_quorum)?;
    Ok(())
}

/// Ends the process of a member that is no longer one, deletes its data, and forgets it.
fn forget(cluster: &mut Cluster, name: &str) -> Result<(), Failed> {
    let member = cluster.member(name)?.clone();
    // It ends by itself when it learns of its removal; a stopped one cannot.
    let _ = process::signal(cluster, &member, Signal::Cont);
    let members = [member];
    for member in process::wait_until_gone(cluster, &members, Duration::from_secs(3)) {
        let _ = process::signal(cluster, member, Signal::Kill);
    }
    process::wait_until_gone(cluster, &members, Duration::from_secs(3));
    let [member] = members;
    let data = cluster.data(&member);
    if data.exists() {
        std::fs::remove_dir_all(&data).map_err(|error| cannot("delete", &data, &error))?;
    }
    cluster.members.retain(|other| other.name != member.name);
    files::save(cluster)?;
    eprintln!("mon.{} is gone, with its data", member.name);
    Ok(())
}

/// As [`wait`], where others may be dead.
fn wait_for_one(
    cluster: &Cluster,
    name: &str,
    what: &str,
    holds: impl FnMut(&[MemberState]) -> bool,
) -> Result<Vec<MemberState>, Failed> {
    let mut only = cluster.clone();
    only.members.retain(|member| member.name == name);
    wait(&only, what, PATIENCE, holds)
}

/// Runs a command of the Ceph CLI as client.admin; again while the cluster says "not now".
fn command(cluster: &Cluster, what: &str, command: &Value) -> Result<(), Failed> {
    let step = Step::start(what);
    let failed = |why: String| Failed::new(Exit::Failure, format!("{what}: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let admin = EntityName::new(EntityType::Client, "admin");
    let target = Target::from_conf(&cluster.conf(), admin, Some(&cluster.admin_keyring()));
    let target = target.map_err(|error| failed(error.to_string()))?;
    let run = async {
        let client = Client::open(target).await.map_err(|error| failed(error.to_string()))?;
        let start = Instant::now();
        loop {
            let reply = client.command(command.to_string(), bytes::Bytes::new()).await;
            let reply = reply.map_err(|error| failed(error.to_string()))?;
            if !is_not_now(&reply) || start.elapsed() >= PATIENCE {
                return Ok::<_, Failed>(reply);
            }
            step.update(&reply.message);
            tokio::time::sleep(POLL_INTERVAL * 4).await;
        }
    };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE * 2, run).await });
    let reply: CommandReply = match answer {
        Ok(reply) => reply?,
        Err(_) => return Err(failed("no monitor answered; is there a quorum?".into())),
    };
    if reply.code < 0 {
        return Err(failed(format!("{} (error {})", reply.message, -reply.code)));
    }
    step.done("done");
    Ok(())
}

/// EAGAIN and EBUSY: a learner that is not synced yet, an election under way.
fn is_not_now(reply: &CommandReply) -> bool {
    matches!(reply.code, -11 | -16)
}
