//! What the monitor does, step by step, with the stock command line.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moncluster_wait as wait;
use rustix::process::Signal;
use serde_json::Value;

use crate::case;
use crate::cluster::{Cluster, Kind};
use crate::stock::Stock;

/// Shows everything; with KEEP set, the cluster stays up at the end until Enter is pressed.
pub(crate) fn demo(binary: &Path, stock: &Path, release: u8) -> Result<()> {
    let stock = Stock::find(stock, release).map_err(anyhow::Error::msg)?;
    let keep = std::env::var_os("KEEP").is_some();

    say("Three monitors are made and started");
    let mut cluster = Cluster::make(binary, &stock, keep, case::plan(case::OURS, &stock))?;
    let start = Instant::now();
    for name in ["a", "b", "c"] {
        cluster.start(name)?;
    }
    let leader = cluster.wait_for_quorum(&["a", "b", "c"])?;
    println!(
        "    quorum of three, led by mon.{leader}, {:.1} s after the start (seen through the command line)",
        start.elapsed().as_secs_f64()
    );

    say(&format!("The unmodified ceph command of release {release} works against them"));
    show(&cluster, &["-s"])?;
    show(&cluster, &["config-key", "set", "demo/greeting", "hello"])?;
    show(&cluster, &["config-key", "get", "demo/greeting"])?;
    show(&cluster, &["auth", "get-or-create", "client.demo", "mon", "allow r"])?;
    show(&cluster, &["health", "detail"])?;

    say("The leader is killed (SIGKILL) while a client writes without pause");
    let writer = Writer::start(&cluster)?;
    let leader = cluster.wait_for_quorum(&["a", "b", "c"])?;
    cluster.stop(&leader, Signal::KILL)?;
    let left: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| *name != leader).collect();
    let next = cluster.wait_for_quorum(&left)?;
    let (writes, gap) = writer.finish()?;
    println!(
        "    mon.{leader} died, mon.{next} leads; {writes} writes, all acknowledged; longest gap {gap} ms"
    );

    say(&format!("mon.{leader} comes back and catches up"));
    cluster.start(&leader)?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;

    say("A fourth monitor is added");
    join(&mut cluster, "d", &["mon", "add"], &[])?;
    cluster.wait_for_quorum(&["a", "b", "c", "d"])?;
    show(&cluster, &["mon", "stat"])?;

    say("One is replaced in a single step: mon.e follows as a learner, then takes mon.d's vote");
    join(&mut cluster, "e", &["mon", "learner", "add"], &["--mon-learner=true"])?;
    wait::until("the learner to follow", Duration::from_secs(30), || {
        let socket = cluster.inside("e.asok").display().to_string();
        let said = cluster.ceph(&["daemon", &socket, "mon_status"])?;
        Ok((said.code == 0 && said.json()?["state"] == "learner").then_some(()))
    })?;
    wait::until("the learner to be in sync", Duration::from_secs(30), || {
        let said = cluster.ceph(&["mon", "replace", "d", "e"])?;
        if said.code != 0 {
            return Ok(None);
        }
        println!("    $ ceph mon replace d e\n    {}{}", said.out.trim(), said.err.trim());
        Ok(Some(()))
    })?;
    cluster.wait_for_quorum(&["a", "b", "c", "e"])?;
    cluster.reap("d", Duration::from_secs(20))?;

    say("It is removed again");
    show(&cluster, &["mon", "rm", "e"])?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    // It was started to follow where the map does not hold it, so it would.
    cluster.stop("e", Signal::TERM)?;
    show(&cluster, &["-s"])?;

    if keep {
        println!("\nThe cluster stays up; its folder is {}", cluster.path("").display());
        println!(
            "  ceph -c {} -s     (inside the root of stock Ceph)",
            cluster.inside("ceph.conf").display()
        );
        println!("Press Enter to end it.");
        std::io::stdin().read_line(&mut String::new())?;
    }
    say("All three leave cleanly (SIGTERM)");
    for name in ["a", "b", "c"] {
        let code = cluster.stop(name, Signal::TERM)?;
        ensure!(code == Some(0), "mon.{name} ended with {code:?}");
    }
    println!("    done");
    Ok(())
}

fn say(text: &str) {
    println!("\n--> {text}");
}

/// Runs a command and shows it with what it prints.
fn show(cluster: &Cluster, words: &[&str]) -> Result<()> {
    let shown: Vec<_> = words
        .iter()
        .map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() })
        .collect();
    println!("    $ ceph {}", shown.join(" "));
    let said = cluster.ceph(words)?;
    for line in said.out.lines().chain(said.err.lines()) {
        println!("    {line}");
    }
    said.ok().map(drop)
}

/// Adds a monitor with `words name address`, makes its directory and starts it.
fn join(cluster: &mut Cluster, name: &str, words: &[&str], options: &[&str]) -> Result<()> {
    let port = cluster.add(name, Kind::Ours);
    show(cluster, &[words, &[name, &format!("127.0.0.1:{port}")]].concat())?;
    let map = cluster.inside("monmap").display().to_string();
    cluster.ceph(&["mon", "getmap", "-o", &map])?.ok()?;
    cluster.mkfs(cluster.mon(name)?)?;
    let address = format!("--public-addrv=[v2:127.0.0.1:{port}]");
    cluster.start_with(name, &[options, &[&address]].concat())
}

/// A client that writes without pause.
struct Writer(Child);

impl Writer {
    fn start(cluster: &Cluster) -> Result<Self> {
        fs::write(cluster.path("writer.py"), include_str!("writer.py"))?;
        let mut command = cluster.stock.daemon("python3");
        command.arg(cluster.inside("writer.py")).arg(cluster.inside("ceph.conf"));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        // Its first line says that the first write was acknowledged.
        let mut line = String::new();
        if let Some(errors) = child.stderr.take() {
            let mut errors = BufReader::new(errors);
            errors.read_line(&mut line)?;
            if line.trim() != "writing" {
                errors.read_to_string(&mut line)?;
                bail!("the writing client failed: {line}");
            }
        }
        Ok(Self(child))
    }

    /// Stops it; how many writes were acknowledged and the longest gap between two, in milliseconds.
    fn finish(mut self) -> Result<(u64, u64)> {
        drop(self.0.stdin.take());
        let output = self.0.wait_with_output()?;
        ensure!(output.status.success(), "a write failed: {}", String::from_utf8_lossy(&output.stderr));
        let counts: Value = serde_json::from_slice(&output.stdout)?;
        let number = |key: &str| counts[key].as_u64().with_context(|| format!("no {key}"));
        Ok((number("writes")?, number("longest_gap_ms")?))
    }
}
