//! A process that is killed while it writes loses nothing that it called durable, and no batch is torn.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use mon_rocksdb::{TableFormat, create, open};
use mon_store::KvStore;
use mon_types::kv::{KvRead, Transaction};

const CHILD_FOLDER: &str = "MON_ROCKSDB_CRASH_TEST_FOLDER";

/// Not a test by itself: the process that gets killed. Says each write's number once it is durable.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let store = create(Path::new(&folder), TableFormat::Reef).unwrap();
    let start = store.read_u64("p", "left").unwrap().unwrap_or(0);
    for number in start + 1.. {
        let mut transaction = Transaction::new();
        transaction.put_u64("p", "left", number);
        transaction.put("p", format!("filler {}", number % 100), "x".repeat(5000));
        transaction.put_u64("p", "right", number);
        store.apply(&[transaction], number % 3 == 0).unwrap();
        if number % 3 == 0 {
            println!("durable {number}");
        }
    }
}

#[test]
fn killed_in_mid_write() {
    let folder = tempfile::tempdir().unwrap();
    for lines in [1, 40, 700] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut durable = said.filter_map(|line| line.strip_prefix("durable ")?.parse::<u64>().ok());
        let mut last = durable.nth(lines - 1).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died counts too.
        last = durable.last().unwrap_or(last);

        let store = open(folder.path(), TableFormat::Reef).unwrap();
        let left = store.read_u64("p", "left").unwrap().unwrap();
        assert!(left >= last, "{last} was durable, {left} is there");
        assert_eq!(store.read_u64("p", "right").unwrap(), Some(left), "a batch is torn");
    }
}
