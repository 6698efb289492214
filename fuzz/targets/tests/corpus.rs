//! Every target over its corpus, and over what a few thousand mutations make of it: `make test`'s share of fuzzing.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use mon_fuzz::{TARGETS, Target};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Inputs per target, divided by what one costs.
const INPUTS: &str = "MON_FUZZ_INPUTS";
const INPUTS_DEFAULT: usize = 6_000;
const LENGTH_MAX: usize = 64 << 10;
/// How much memory inputs of at most that length may make a target take.
const GROWTH_MAX_KIB: u64 = 48 << 10;

#[test]
fn no_target_panics_or_takes_much_memory() {
    let inputs = std::env::var(INPUTS).map_or(INPUTS_DEFAULT, |text| text.parse().unwrap());
    for (number, target) in TARGETS.iter().enumerate() {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        for (path, input) in &corpus {
            try_input(target, input, &format!("corpus {}", path.display()));
        }
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let count = inputs / target.cost;
        for index in 0..count {
            let input = mutated(&corpus, &mut rng);
            if index % 64 == 0 {
                reset_peak();
            }
            let before = peak_kib();
            try_input(target, &input, &format!("input {index}"));
            if let (Some(before), Some(after)) = (before, peak_kib()) {
                // The kernel counts pages in batches: the peak may even seem to go back.
                let growth = after.saturating_sub(before);
                assert!(
                    growth <= GROWTH_MAX_KIB,
                    "{}: input {index} of {} bytes takes {} KiB",
                    target.name,
                    input.len(),
                    growth
                );
            }
        }
        println!("{:<12} {} in the corpus, {count} made of them", target.name, corpus.len());
    }
}

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn try_input(target: &Target, input: &[u8], what: &str) {
    let done = std::panic::catch_unwind(|| (target.run)(input));
    if done.is_err() {
        let kept = std::env::temp_dir().join(format!("mon-fuzz-{}", target.name));
        std::fs::write(&kept, input).unwrap();
        panic!("{}: {what} fails; it is in {}", target.name, kept.display());
    }
}

fn mutated(corpus: &[(PathBuf, Vec<u8>)], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let pick = |rng: &mut ChaCha8Rng| corpus[rng.random_range(0..corpus.len())].1.clone();
    let mut input = pick(rng);
    if rng.random_bool(0.05) {
        input = (0..rng.random_range(0..400)).map(|_| rng.random()).collect();
    }
    for _ in 0..rng.random_range(1..6) {
        let length = input.len();
        let at = if length == 0 { 0 } else { rng.random_range(0..length) };
        match rng.random_range(0..9) {
            0 if length > 0 => input[at] ^= 1 << rng.random_range(0..8),
            1 if length > 0 => input[at] = rng.random(),
            2 if length > 0 => input[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            3 => input.truncate(at),
            // Counts and lengths are little-endian words.
            4 if length >= at + 4 => {
                let word = [0, 1, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX][rng.random_range(0..7)];
                input[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
            }
            5 => {
                let other = pick(rng);
                let from = rng.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 => input.insert(at, rng.random()),
            7 => {
                let end = (at + rng.random_range(0..40)).min(length);
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let end = (at + rng.random_range(0..20)).min(length);
                input.drain(at..end);
            }
        }
    }
    input.truncate(LENGTH_MAX);
    input
}

/// The most memory that this process ever held, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn reset_peak() {
    // Without it the peak only rises, and a large input hides smaller ones behind it.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
