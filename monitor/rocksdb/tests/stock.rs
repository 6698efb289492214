//! Stock Ceph's tools read what we write, and we read what a stock `ceph-mon --mkfs` wrote.
//!
//! Runs for each release that is installed as a root folder; says so when one is not.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use mon_rocksdb::{TableFormat, create, open, peek};
use mon_store::KvStore;
use mon_types::kv::{KvRead, Op, Transaction};

/// A root of stock Ceph with a folder of our own in its `/tmp`.
struct Stock {
    root: PathBuf,
    folder: tempfile::TempDir,
}

impl Stock {
    fn of(release: u8) -> Option<Self> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
        let root = cache.join("moncluster/stock").join(release.to_string());
        let folder = tempfile::Builder::new().prefix("mon-rocksdb-").tempdir_in(root.join("tmp"));
        match folder {
            Ok(folder) if root.join("usr/bin/ceph-kvstore-tool").exists() => Some(Self { root, folder }),
            _ => {
                eprintln!("SKIPPED: no usable stock Ceph {release} in {}", root.display());
                None
            }
        }
    }

    fn inside(&self) -> PathBuf {
        Path::new("/").join(self.folder.path().strip_prefix(&self.root).unwrap())
    }

    /// Runs a command in the root, in our folder; its standard output.
    fn run(&self, command: &str) -> String {
        let script = format!("cd {} && {command}", self.inside().display());
        let output = Command::new("chroot").arg(&self.root).args(["bash", "-ec", &script]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }
}

#[test]
fn stock_tools_read_our_store() {
    for release in [16, 18, 20] {
        let Some(stock) = Stock::of(release) else { continue };
        let data = stock.folder.path();
        let format = TableFormat::for_release(release);
        let store = create(data, format).unwrap();
        for version in 1..=600 {
            let mut transaction = Transaction::new();
            transaction.put("paxos", version.to_string(), format!("value {version} ").repeat(100));
            transaction.put_u64("paxos", "last_committed", version);
            store.apply(&[transaction], false).unwrap();
        }
        let mut trim = Transaction::new();
        trim.erase_range("paxos", "1", "3");
        trim.push(Op::Compact { prefix: "paxos".into(), range: None });
        store.apply(&[trim], true).unwrap();
        drop(store);
        // Twice, so that table files exist, made in this format, beside a log.
        drop(open(data, format).unwrap());
        let store = open(data, format).unwrap();
        let mut late = Transaction::new();
        late.put("mon_config_key", "late", "in the log");
        store.apply(&[late], true).unwrap();
        drop(store);

        let listed = stock.run("ceph-kvstore-tool rocksdb store.db list");
        let mut keys: Vec<&str> = listed.lines().collect();
        keys.sort_unstable();
        let store = open(data, format).unwrap();
        let mut ours = vec!["mon_config_key\tlate".to_owned()];
        ours.extend(
            store.scan("paxos", "", usize::MAX).unwrap().into_iter().map(|(key, _)| format!("paxos\t{key}")),
        );
        drop(store);
        ours.sort_unstable();
        assert_eq!(keys, ours, "release {release}");
        stock.run("ceph-kvstore-tool rocksdb store.db get paxos 543 out v");
        assert_eq!(std::fs::read_to_string(data.join("v")).unwrap(), "value 543 ".repeat(100));
        let last = stock.run("ceph-kvstore-tool rocksdb store.db get mon_config_key late");
        assert!(last.contains("in the log"), "{last}");

        // And what the stock tool wrote, in its own format, is read by us.
        stock.run("ceph-kvstore-tool rocksdb store.db set paxos stock in v");
        stock.run("ceph-kvstore-tool rocksdb store.db compact");
        let store = open(data, format).unwrap();
        assert_eq!(store.read("paxos", "stock").unwrap().unwrap(), "value 543 ".repeat(100));
    }
}

#[test]
fn we_open_what_stock_mkfs_made() {
    for release in [16, 18, 20] {
        let Some(stock) = Stock::of(release) else { continue };
        let fsid = "0f6b4a3e-1a0f-4a3c-9d8e-3b6d2a1c5e7f";
        stock.run(&format!(
            "ceph-authtool --create-keyring k --gen-key -n mon. --cap mon 'allow *' && \
             monmaptool --create --fsid {fsid} --addv a [v2:127.0.0.1:3300] mm && \
             ceph-mon --mkfs -i a --fsid {fsid} --monmap mm --keyring k --mon-data \"$PWD/d\" -c /dev/null"
        ));
        let data = stock.folder.path().join("d");
        let seen = peek(&data).unwrap();
        assert_eq!(seen.read("monitor", "magic").unwrap().unwrap(), "ceph mon volume v012\n");
        drop(seen);
        let store = open(&data, TableFormat::for_release(release)).unwrap();
        assert_eq!(store.read("monitor", "cluster_uuid").unwrap().unwrap(), format!("{fsid}\n"));
        assert_eq!(store.scan("mkfs", "", 10).unwrap().len(), 2);
    }
}
