//! Showing status and quorum.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;

use super::Output;
use super::client::{Client, CtlError};
use crate::http::view::{MemberView, QuorumView, StatusView};

pub(super) fn status(client: &Client, out: &mut impl Write) -> Result<(), CtlError> {
    let status: StatusView = client.get("/v1/status")?;
    if client.output == Output::Json {
        return json(out, &status);
    }
    let ready = if status.ready { "serving" } else { "not serving" };
    let rank = status.rank.map_or_else(|| "none".to_owned(), |rank| rank.to_string());
    let health = if status.health.status.is_empty() { "health not known yet" } else { &status.health.status };
    writeln!(out, "monitor   mon.{} (rank {rank}), {}, {ready}", status.name, status.state)?;
    writeln!(out, "cluster   {}, {health}", status.fsid)?;
    for (check, summary) in &status.health.checks {
        writeln!(out, "          {check}: {summary}")?;
    }
    let PaxosLine(paxos) = PaxosLine::from(&status);
    writeln!(out, "paxos     {paxos}")?;
    if let Some(sync) = &status.sync {
        let kind = if sync.full { "full" } else { "recent" };
        writeln!(out, "sync      {kind}, {} keys, {} from {}", sync.keys, size(sync.bytes), sync.provider)?;
    }
    let disk = &status.disk;
    let (store, free, total) = (size(disk.bytes_store), size(disk.bytes_available), size(disk.bytes_total));
    writeln!(out, "store     {store}, {free} of {total} free")?;
    writeln!(out, "sessions  {}\n", status.sessions)?;
    members(out, &status.quorum)
}

pub(super) fn quorum(client: &Client, out: &mut impl Write) -> Result<(), CtlError> {
    let quorum: QuorumView = client.get("/v1/quorum")?;
    match client.output {
        Output::Json => json(out, &quorum),
        Output::Table => {
            let leader = quorum.leader.as_deref().unwrap_or("none");
            let epochs =
                format!("election epoch {}, monmap epoch {}", quorum.election_epoch, quorum.monmap_epoch);
            writeln!(out, "leader {leader}, quorum {}, {epochs}\n", quorum.names.join(","))?;
            members(out, &quorum)
        }
    }
}

/// The members as a table.
pub(super) fn members(out: &mut impl Write, quorum: &QuorumView) -> Result<(), CtlError> {
    let mut table = table(["NAME", "RANK", "ROLE", "IN QUORUM", "BEHIND", "ADDRESS"]);
    for member in &quorum.members {
        let MemberView { name, rank, addrs, in_quorum, behind } = member;
        let role = match rank {
            None => "learner",
            Some(_) if quorum.leader.as_ref() == Some(name) => "leader",
            Some(_) if *in_quorum => "peon",
            Some(_) => "out",
        };
        let dash = || "-".to_owned();
        table.add_row([
            name.clone(),
            rank.map_or_else(dash, |rank| rank.to_string()),
            role.into(),
            if *in_quorum { "yes" } else { "no" }.into(),
            behind.map_or_else(dash, |behind| behind.to_string()),
            addrs.clone(),
        ]);
    }
    writeln!(out, "{table}")?;
    Ok(())
}

/// A table in our form.
pub(super) fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    table
}

/// JSON on one line per answer, so that programs can read a stream of them.
pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> Result<(), CtlError> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

struct PaxosLine(String);

impl From<&StatusView> for PaxosLine {
    fn from(status: &StatusView) -> Self {
        Self(format!("{} to {}", status.paxos.first_committed, status.paxos.last_committed))
    }
}

/// Bytes in the largest unit that leaves a number above 1.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}
