//! `ceph -w` shows new lines of the cluster log.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use moncluster_wait as wait;

use crate::case::trio;
use crate::runner::World;

/// A watcher sees a line that somebody logs.
pub(crate) fn log_lines(world: &World) -> Result<()> {
    let cluster = trio(world)?;
    let mut watcher = cluster
        .ceph_running()
        .arg("-w")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("ceph -w")?;
    let output = watcher.stdout.take().context("no output")?;
    let (lines, seen) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    let mut all = Vec::new();
    // It subscribes some time after it printed the status: log until a line arrives.
    let mut count = 0;
    let result = wait::until("a logged line in ceph -w", Duration::from_secs(30), || {
        count += 1;
        cluster.ceph(&["log", &format!("watched-{count}")])?.ok()?;
        all.extend(seen.try_iter());
        Ok(all.iter().any(|line| line.contains("watched-")).then_some(()))
    });
    watcher.kill()?;
    watcher.wait()?;
    drop(seen);
    let _ = reader.join();
    if let Err(error) = result {
        bail!("{error}; it printed {all:?}");
    }
    Ok(())
}
