//! `mon dev` from making a cluster to deleting it, with what a user would do in between.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use support::Dev;

#[test]
fn the_life_of_a_cluster() {
    let dev = Dev::up("3", &[]);
    assert_eq!(dev.quorum(), ["a", "b", "c"]);
    let again = dev.run(&["up", "--mons", "3"]);
    assert!(again.contains("The cluster is up"), "{again}");
    dev.put(0..20);

    dev.run(&["kill", "--mon", "a"]);
    dev.wait_for_quorum(&["b", "c"]);
    dev.put(20..40);
    dev.run(&["up"]);
    dev.wait_for_quorum(&["a", "b", "c"]);
    dev.expect(0..40);

    dev.run(&["add"]);
    dev.wait_for_quorum(&["a", "b", "c", "d"]);
    dev.run(&["remove", "--mon", "b"]);
    dev.wait_for_quorum(&["a", "c", "d"]);
    dev.run(&["replace", "--mon", "c"]);
    let quorum = dev.quorum();
    assert!(
        quorum.len() == 3 && quorum.contains(&"e".to_owned()) && !quorum.contains(&"c".to_owned()),
        "{quorum:?}"
    );
    dev.expect(0..40);
    let (code, _, err) = dev.try_run(&["kill", "--mon", "z"]);
    assert!(code == 2 && err.contains("there is no mon.z"), "{err}");
    dev.run(&["down"]);
    assert_eq!(dev.quorum(), Vec::<String>::new());
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let dev = Dev::up("3", &[]);
    for round in 0..3 {
        dev.put(round * 50..(round + 1) * 50);
        for mon in ["a", "b", "c"] {
            dev.run(&["kill", "--mon", mon, "--signal", "KILL"]);
        }
        dev.run(&["up"]);
        dev.expect(0..(round + 1) * 50);
    }
}

#[test]
fn other_releases_and_strict_keys() {
    for more in [["--release", "pacific"], ["--release", "reef"], ["--ciphers", "strict"]] {
        let dev = Dev::up("1", &more);
        dev.put(0..3);
        dev.expect(0..3);
    }
}

#[test]
fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let base = taken.local_addr().unwrap().port();
    let dev = Dev::of(base);
    let (code, _, err) = dev.try_run(&["up", "--mons", "1", "--base-port", &base.to_string()]);
    assert!(code == 30 && err.contains(&format!("127.0.0.1:{base}")), "{code} {err}");
    let (code, _, err) = dev.try_run(&["status"]);
    assert!(code == 1, "a stopped cluster has no quorum: {err}");
    // What is half made keeps its ports, and says so.
    let other = (base - 1).to_string();
    let (code, _, err) = dev.try_run(&["up", "--mons", "1", "--base-port", &other]);
    let text = format!("made with --base-port {base}, not {other}: delete it first");
    assert!(code == 2 && err.contains(&text), "{code} {err}");
    let (code, _, err) = dev.try_run(&["up", "--mons", "1"]);
    assert!(code == 30 && err.contains(&format!("127.0.0.1:{base}")), "{code} {err}");
}
