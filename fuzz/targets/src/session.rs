//! Two processes with one session between them, and an adversary on the wire who drops, repeats, reorders, changes, cuts
//! and injects bytes, in the clear or sealed. Whatever he does, messages arrive once, unchanged and in order, and once
//! he has gone away all of them arrive.

use mon_wire::auth::Mode;

#[allow(dead_code, unreachable_pub, reason = "the wire's own tests use more of it")]
#[path = "../../../monitor/wire/tests/pair/mod.rs"]
pub(crate) mod pair;

use pair::{Pair, message};

/// More would only make it slow.
const MESSAGES_MAX: u64 = 40;
const MOVES_MAX: usize = 200;

/// The first byte chooses the mode; then each move is a byte, with arguments.
pub(crate) fn session(input: &[u8]) {
    let mut input = Input(input);
    let mode = if input.byte() & 1 == 0 { Mode::Crc } else { Mode::Secure };
    let mut pair = Pair::new(mode);
    let mut sent = [0u64; 2];
    for _ in 0..MOVES_MAX {
        if input.0.is_empty() {
            break;
        }
        play(&mut pair, &mut input, &mut sent);
        pair.settle();
        for node in 0..2 {
            check(&pair, node, sent[1 - node]);
        }
    }
    // He goes away: what he spoilt breaks, and the sessions find together again.
    for link in pair.links_open() {
        pair.cut(link, [0, 0]);
    }
    pair.finish();
    for node in 0..2 {
        check(&pair, node, sent[1 - node]);
        assert_eq!(pair.nodes[node].received.len() as u64, sent[1 - node], "a message is lost for good");
    }
}

fn play(pair: &mut Pair, input: &mut Input<'_>, sent: &mut [u64; 2]) {
    let choice = input.byte();
    let node = usize::from(choice >> 7);
    let open = pair.links_open();
    let link = (!open.is_empty()).then(|| open[input.byte() as usize % open.len()]);
    match (choice & 15, link) {
        (0..=2, _) => {
            if sent[node] < MESSAGES_MAX
                && pair.nodes[node].session.send(pair.now, message(sent[node] + 1)).is_ok()
            {
                sent[node] += 1;
            }
        }
        (3, _) => pair.wait(),
        (4..=8, Some(link)) => {
            let count = if choice & 64 == 0 { usize::MAX } else { usize::from(input.byte()) + 1 };
            pair.deliver(link, node, count);
        }
        (9, Some(link)) => {
            let arrive = [input.byte(), input.byte()].map(usize::from);
            pair.cut(link, arrive);
        }
        (_, Some(link)) => {
            let (at, many, byte) = (input.number(), usize::from(input.byte()), input.byte());
            let wire = pair.inbound(link, node);
            if wire.is_empty() {
                return;
            }
            let at = at % wire.len();
            let end = (at + many).min(wire.len());
            match choice & 15 {
                10 => wire[at] ^= byte.max(1),
                11 => drop(wire.drain(at..end)),
                12 => {
                    let piece: Vec<u8> = wire.range(at..end).copied().collect();
                    wire.extend(piece);
                }
                13 => wire.make_contiguous()[at..end].reverse(),
                14 => wire.insert(at, byte),
                _ => wire.truncate(at),
            }
        }
        (_, None) => pair.wait(),
    }
}

/// Once, unchanged and in order; that they are unchanged is looked at where they arrive.
fn check(pair: &Pair, node: usize, sent: u64) {
    let received = &pair.nodes[node].received;
    assert!(received.len() as u64 <= sent, "more messages than were sent");
    assert!(received.iter().copied().eq(1..=received.len() as u64), "out of order: {received:?}");
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }
}
