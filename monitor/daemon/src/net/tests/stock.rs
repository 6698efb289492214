//! The network as the third monitor of a stock trio, for each release that has a root here.

use mon_client::stock::{StockError, StockTrio};
use mon_types::keyring::Keyring;
use mon_types::message::{MMonProbe, ProbeOp};
use rustix::process::Signal;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn pacific() {
    third_of(16, Release::Pacific).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reef() {
    third_of(18, Release::Reef).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tentacle() {
    third_of(20, Release::Tentacle).await;
}

async fn third_of(number: u8, release: Release) {
    let mut trio = match StockTrio::start(number) {
        Ok(trio) => trio,
        Err(error @ (StockError::NoRoot { .. } | StockError::NotRoot)) => {
            eprintln!("SKIPPED: sessions with monitors of stock Ceph {number}: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let [a, b, c] = [0, 1, 2].map(|index| trio.mons()[index].addr);
    trio.signal(c, Signal::KILL).unwrap();
    let keyring: Keyring = std::fs::read_to_string(trio.keyring()).unwrap().parse().unwrap();
    let mon_key = keyring.key_of(&EntityName::mon()).unwrap().clone();
    let rank = Rank([a, b, c].iter().filter(|other| order(other) < order(&c)).count() as u32);
    let peers = [a, b].map(AddrVec::msgr2);

    for mode in [Mode::Secure, Mode::Crc] {
        let mut mon = mon_with(c, release, mon_key.clone(), mode).await;
        mon.net.set_peers(Some(rank), peers.to_vec(), false);
        for peer in &peers {
            probe(&mut mon, peer).await;
        }
        mon.net.stop().await;
    }

    // A stock process that is killed is noticed by the closed connection, and found again when it is back.
    let mut mon = mon_with(c, release, mon_key, Mode::Secure).await;
    mon.net.set_peers(Some(rank), peers.to_vec(), false);
    probe(&mut mon, &peers[0]).await;
    trio.signal(a, Signal::KILL).unwrap();
    while mon.peer_down().await != peers[0] {}
    probe(&mut mon, &peers[1]).await;
}

/// The order of ranks in a monmap that was never changed: by address bytes.
fn order(address: &SocketAddr) -> [u8; 2] {
    address.port().to_be_bytes()
}

async fn mon_with(address: SocketAddr, release: Release, key: CryptoKey, mode: Mode) -> Mon {
    let mut view = view();
    view.mon.key = key;
    let config = NetConfig {
        cluster_modes: vec![mode],
        ..NetConfig::new(AddrVec::msgr2(address), vec![address], Features::all(release))
    };
    start_mon(config, view).await
}

/// Sends a probe until the answer comes: what was queued before a reset is void.
async fn probe(mon: &mut Mon, peer: &AddrVec) {
    let fsid = "2f1c38a6-6c1d-4b51-9d5e-0d9f3a6f7c11".parse().unwrap();
    mon.net.send(peer, MMonProbe::new(fsid, ProbeOp::Probe, "c").into());
    let wanted = peer.clone();
    let reply = mon
        .until(|event| match event {
            Event::PeerMessage { peer, message: Envelope { message: Message::Probe(probe), .. } }
                if peer == wanted && probe.op == ProbeOp::Reply =>
            {
                Some(probe)
            }
            _ => None,
        })
        .await;
    assert!(!reply.monmap.is_empty());
}
