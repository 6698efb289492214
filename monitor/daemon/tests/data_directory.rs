//! The commands on a stopped monitor's data directory, as a user meets them: their exit codes and messages,
//! and that stock Ceph understands what they make (where its packages are installed as root folders).
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FSID: &str = "0f6b4a3e-1a0f-4a3c-9d8e-3b6d2a1c5e7f";
const KEYRING: &str = "[mon.]\n\tkey = AQAAAAAAAAAAABAAAAECAwQFBgcICQoLDA0ODw==\n\tcaps mon = \"allow *\"\n\
    [client.admin]\n\tkey = AQAAAAAAAAAAABAAAAECAwQFBgcICQoLDA0ODw==\n\tcaps mon = \"allow *\"\n";

/// Runs `mon`; its exit code and all that it said.
fn mon(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mon")).args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("keyring.in"), KEYRING).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn mkfs(&self, more: &[&str]) -> (i32, String) {
        let (data, keyring) = (self.path("a"), self.path("keyring.in"));
        let mut arguments = vec![
            "mkfs",
            "-n",
            "a",
            "--fsid",
            FSID,
            "--data",
            &data,
            "--keyring",
            &keyring,
            "--public-addr",
            "10.0.0.1",
        ];
        arguments.extend(more);
        mon(&arguments)
    }

    fn extract(&self, more: &[&str]) -> (i32, String) {
        let (data, file) = (self.path("a"), self.path("monmap"));
        let mut arguments = vec!["extract-monmap", "-n", "a", "--data", &data];
        arguments.extend(more);
        arguments.push(&file);
        mon(&arguments)
    }
}

#[track_caller]
fn expect((code, said): (i32, String), wanted: i32, part: &str) {
    assert!(code == wanted && said.contains(part), "exit {code}, wanted {wanted} with '{part}':\n{said}");
}

#[test]
fn mkfs_can_be_repeated() {
    let folder = Folder::new();
    expect(folder.mkfs(&[]), 0, "made mon.a");
    expect(folder.mkfs(&[]), 0, "already holds a monitor");
    expect(folder.extract(&[]), 0, "epoch 0");
    let kept = std::fs::read_to_string(folder.path("a/keyring")).unwrap();
    assert!(kept.contains("[mon.]") && !kept.contains("client.admin"), "{kept}");
    expect(
        folder.mkfs(&["--fsid", "ffffffff-1a0f-4a3c-9d8e-3b6d2a1c5e7f"]),
        2,
        "cannot be used multiple times",
    );
}

#[test]
fn an_unfinished_mkfs_is_finished() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("a/store.db")).unwrap();
    std::fs::create_dir_all(folder.path("a/lost+found")).unwrap();
    expect(folder.extract(&[]), 20, "run mkfs first");
    expect(folder.mkfs(&[]), 0, "made mon.a");
    expect(folder.extract(&[]), 0, "epoch 0");
}

/// A pod's first start and all later ones have the same command line. The start ends at the HTTP endpoint, whose
/// token is too short, after the store was looked at.
#[test]
fn a_start_makes_the_data_directory_only_where_it_is_told_to() {
    let folder = Folder::new();
    let start = |more: &[&str]| {
        let (data, keyring) = (folder.path("a"), folder.path("keyring.in"));
        let mut arguments = vec!["run", "-n", "a", "--data", &data, "--keyring", &keyring];
        arguments.extend([
            "--public-addr",
            "127.0.0.1:0",
            "--http-listen",
            "0.0.0.0:0",
            "--admin-socket",
            "",
        ]);
        arguments.extend([
            "--http-token-file",
            &keyring,
            "--http-tls-cert",
            &keyring,
            "--http-tls-key",
            &keyring,
        ]);
        arguments.extend(["--log-to-file", "false", "--cluster-log-to-file", "false"]);
        arguments.extend(more);
        mon(&arguments)
    };
    expect(start(&["--fsid", FSID]), 20, "no monitor store");
    expect(start(&["--mkfs-if-empty"]), 10, "which cluster?");
    for _ in 0..2 {
        expect(start(&["--fsid", FSID, "--mkfs-if-empty"]), 10, "cannot read a token");
    }
    expect(folder.extract(&[]), 0, "epoch");
    expect(start(&["--fsid", FSID]), 10, "cannot read a token");
    let other = "ffffffff-1a0f-4a3c-9d8e-3b6d2a1c5e7f";
    expect(start(&["--fsid", other, "--mkfs-if-empty"]), 23, "belongs to cluster");
}

/// `mon run` of a monitor that is alone, with its pid file and the file that says where its endpoint is.
fn run_alone(folder: &Folder, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mon"));
    let (data, keyring) = (folder.path("a"), folder.path("keyring.in"));
    command.args(["run", "-n", "a", "--fsid", FSID, "--data", &data, "--keyring", &keyring]);
    command.args(["--mkfs-if-empty", "--public-addr", address, "--admin-socket", ""]);
    command.args(["--pid-file", &folder.path("pid"), "--http-address-file", &folder.path("http")]);
    command.args(["--log-to-file", "false", "--cluster-log-to-file", "false"]);
    command
}

#[test]
fn a_taken_port_is_told_with_what_to_do() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run_alone(&folder, &address).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(30), "{said}");
    let wanted = format!("cannot listen on {address}: ");
    assert!(said.contains(&wanted) && said.contains("; stop the process that has the port, or"), "{said}");
    assert!(!Path::new(&folder.path("pid")).exists(), "a monitor that ended has no pid file");
}

#[test]
fn the_pid_file_goes_with_the_monitor() {
    let folder = Folder::new();
    // An address that no other test has, so that the port is free.
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let address = format!("127.77.{high}.{low}:3300");
    let mut child = run_alone(&folder, &address).stderr(Stdio::null()).spawn().unwrap();
    let (pid_file, serves) = (folder.path("pid"), folder.path("http"));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !Path::new(&serves).exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "it does not serve");
        std::thread::sleep(Duration::from_millis(10)); // allowed: polls another process, with a deadline
    }
    let pid = rustix::process::Pid::from_child(&child);
    assert_eq!(std::fs::read_to_string(&pid_file).unwrap(), format!("{}\n", child.id()));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!Path::new(&pid_file).exists());
}

#[test]
fn injection_counts_the_epoch_up() {
    let folder = Folder::new();
    folder.mkfs(&[]);
    folder.extract(&[]);
    let (data, file) = (folder.path("a"), folder.path("monmap"));
    for epoch in ["1", "2"] {
        let said =
            mon(&["ceph-mon", "-i", "a", "-c", "/dev/null", "--mon-data", &data, "--inject-monmap", &file]);
        expect(said, 0, &format!("monmap epoch {epoch}"));
    }
    std::fs::write(&file, "no monmap").unwrap();
    expect(mon(&["inject-monmap", "-n", "a", "--data", &data, &file]), 10, "monmap");
}

#[test]
fn mistakes_have_their_codes() {
    let folder = Folder::new();
    expect(mon(&["mkfs"]), 2, "--name");
    expect(mon(&["frobnicate"]), 2, "unrecognized");
    expect(folder.mkfs(&["--lease", "soon"]), 10, "mon_lease = 'soon' (command line)");
    expect(folder.mkfs(&["--lease", "0"]), 10, "mon_lease = '0' (command line): must be at least 0.1");
    let data = folder.path("a");
    for name in ["../b", "b/c", ".."] {
        for job in [&["mkfs"][..], &["run", "--mkfs-if-empty"]] {
            let arguments = [job, &["-n", name, "--fsid", FSID, "--data", &data]].concat();
            expect(mon(&arguments), 10, "choose one without '/'");
        }
    }
    let (yaml, conf) = (folder.path("c.yaml"), folder.path("ceph.conf"));
    std::fs::write(&yaml, "mon: [").unwrap();
    expect(folder.mkfs(&["-c", &yaml]), 10, "c.yaml");
    std::fs::write(&yaml, "mon_leese: 3").unwrap();
    expect(folder.mkfs(&["-c", &yaml]), 10, "no option 'mon_leese'");
    std::fs::write(&conf, "[global]\nmon lease = 5\nmon ho").unwrap();
    expect(folder.mkfs(&["--ceph-conf", &conf]), 10, "ceph.conf, line 3");
    std::fs::write(folder.path("keyring.in"), "[client.admin]\n").unwrap();
    expect(folder.mkfs(&[]), 11, "no key of mon.");
    std::fs::remove_file(folder.path("keyring.in")).unwrap();
    expect(folder.mkfs(&[]), 11, "No such file");
    assert!(!Path::new(&folder.path("a")).exists(), "nothing was made");
}

#[test]
fn a_store_that_must_not_be_used() {
    let folder = Folder::new();
    expect(folder.extract(&[]), 20, "no monitor store");
    folder.mkfs(&[]);
    expect(folder.extract(&["--fsid", "ffffffff-1a0f-4a3c-9d8e-3b6d2a1c5e7f"]), 23, "belongs to cluster");
    let held = mon_rocksdb::open(Path::new(&folder.path("a")), mon_rocksdb::TableFormat::Reef).unwrap();
    expect(folder.extract(&[]), 21, "already running");
    drop(held);
    std::fs::write(folder.path("a/store.db/CURRENT"), "MANIFEST-424242\n").unwrap();
    expect(folder.extract(&[]), 22, "sync from its peers");
    std::fs::write(folder.path("a/kv_backend"), "leveldb").unwrap();
    expect(folder.extract(&[]), 1, "leveldb");
}

/// A root of stock Ceph, with a folder of our own in its `/tmp` that ends with the test.
fn stock(release: u8) -> Option<(PathBuf, tempfile::TempDir)> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let root = cache.join("moncluster/stock").join(release.to_string());
    let folder = tempfile::Builder::new().prefix("mon-daemon-").tempdir_in(root.join("tmp"));
    match folder {
        Ok(folder) if root.join("usr/bin/ceph-mon").exists() => Some((root, folder)),
        _ => {
            eprintln!("SKIPPED: no usable stock Ceph {release} in {}", root.display());
            None
        }
    }
}

fn in_stock(root: &Path, folder: &Path, script: &str) -> String {
    let inside = Path::new("/").join(folder.strip_prefix(root).unwrap());
    let script = format!("cd {} && {script}", inside.display());
    let output = Command::new("chroot").arg(root).args(["bash", "-ec", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{script}: {said}");
    said
}

#[test]
fn stock_understands_what_we_made() {
    for (release, name) in [(16, "pacific"), (18, "reef"), (20, "tentacle")] {
        let Some((root, stock_folder)) = stock(release) else { continue };
        let folder = Folder(stock_folder);
        std::fs::write(folder.path("keyring.in"), KEYRING).unwrap();
        expect(folder.mkfs(&["--release", name]), 0, "made");
        let run = |script: &str| in_stock(&root, folder.0.path(), script);
        let keys = run("ceph-monstore-tool a dump-keys");
        for key in [
            "mkfs / keyring",
            "mkfs / monmap",
            "monitor / cluster_uuid",
            "monitor / feature_set",
            "monitor / magic",
        ] {
            assert!(keys.contains(key), "{key} in {keys}");
        }
        let map =
            run("ceph-mon -i a --mon-data $PWD/a -c /dev/null --extract-monmap m && monmaptool --print m");
        assert!(map.contains("10.0.0.1:3300/0") && map.contains("mon.a") && map.contains(FSID), "{map}");
        expect(folder.extract(&[]), 0, "epoch 0");
        let ours = run("monmaptool --print monmap");
        assert!(ours.contains("mon.a"), "{ours}");
    }
}

#[test]
fn we_understand_what_stock_made() {
    for release in [16, 18, 20] {
        let Some((root, folder)) = stock(release) else { continue };
        let folder = Folder(folder);
        std::fs::write(folder.path("keyring.in"), KEYRING).unwrap();
        in_stock(
            &root,
            folder.0.path(),
            &format!(
                "monmaptool --create --fsid {FSID} --addv a [v2:127.0.0.1:3300] --addv b [v2:127.0.0.1:3301] mm && \
             ceph-mon --mkfs -i a --fsid {FSID} --monmap mm --keyring keyring.in --mon-data $PWD/a -c /dev/null"
            ),
        );
        expect(folder.mkfs(&[]), 0, "already holds a monitor");
        expect(folder.extract(&[]), 0, "epoch 0");
        let map = in_stock(&root, folder.0.path(), "monmaptool --print monmap");
        assert!(map.contains("mon.a") && map.contains("mon.b"), "{map}");
    }
}
