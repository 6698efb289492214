//! What every backend must do, as tests that each backend runs against itself.

use bytes::Bytes;
use mon_types::kv::{StoreError, Transaction};

use crate::store::KvStore;

/// Runs all checks; `make` gives an empty store each time.
///
/// # Panics
/// When the store does not conform.
pub fn conformance<S: KvStore>(mut make: impl FnMut() -> S) {
    puts_and_reads(&make());
    operations_apply_in_order(&make());
    prefixes_do_not_leak(&make());
    ranges_are_half_open(&make());
    scans_are_ordered_and_bounded(&make());
    counters(&make());
    batches_are_one(&make());
    binary_values_and_empty_ones(&make());
    hints_change_nothing(&make());
    digests(&make(), &make());
}

fn apply(store: &impl KvStore, fill: impl FnOnce(&mut Transaction)) {
    let mut transaction = Transaction::new();
    fill(&mut transaction);
    let sync = transaction.ops().len().is_multiple_of(2);
    assert_eq!(store.apply(&[transaction], sync), Ok(()));
}

fn expect(store: &impl KvStore, prefix: &str, key: &str, wanted: Option<&'static str>) {
    let wanted = wanted.map(|text| Bytes::from_static(text.as_bytes()));
    assert_eq!(store.read(prefix, key), Ok(wanted), "{prefix}/{key}");
}

fn expect_keys(store: &impl KvStore, prefix: &str, start: &str, limit: usize, wanted: &[&str]) {
    let keys =
        store.scan(prefix, start, limit).map(|page| page.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
    assert_eq!(keys.as_deref(), Ok(wanted.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>().as_slice()));
}

fn puts_and_reads(store: &impl KvStore) {
    expect(store, "paxos", "1", None);
    apply(store, |t| t.put("paxos", "1", "one"));
    expect(store, "paxos", "1", Some("one"));
    apply(store, |t| t.put("paxos", "1", "uno"));
    expect(store, "paxos", "1", Some("uno"));
    apply(store, |t| t.erase("paxos", "1"));
    expect(store, "paxos", "1", None);
    apply(store, |t| t.erase("paxos", "never there"));
}

fn operations_apply_in_order(store: &impl KvStore) {
    apply(store, |t| {
        t.put("p", "a", "1");
        t.erase("p", "a");
        t.put("p", "b", "1");
        t.put("p", "b", "2");
        t.put("p", "c", "1");
        t.erase_range("p", "c", "d");
        t.erase_range("p", "d", "e");
        t.put("p", "d", "after the range");
    });
    expect(store, "p", "a", None);
    expect(store, "p", "b", Some("2"));
    expect(store, "p", "c", None);
    expect(store, "p", "d", Some("after the range"));
}

fn prefixes_do_not_leak(store: &impl KvStore) {
    apply(store, |t| {
        t.put("log", "1", "log");
        t.put("logm", "1", "logm");
        t.put("logm", "m\u{1}", "logm");
        t.put("a", "z", "before");
    });
    expect_keys(store, "log", "", 10, &["1"]);
    expect_keys(store, "logm", "", 10, &["1", "m\u{1}"]);
    expect_keys(store, "lo", "", 10, &[]);
    expect_keys(store, "zzz", "", 10, &[]);
    apply(store, |t| t.erase_range("log", "", "~"));
    expect_keys(store, "log", "", 10, &[]);
    expect_keys(store, "logm", "", 10, &["1", "m\u{1}"]);
}

fn ranges_are_half_open(store: &impl KvStore) {
    apply(store, |t| ["1", "10", "2", "3"].into_iter().for_each(|key| t.put("p", key, "x")));
    apply(store, |t| t.erase_range("p", "10", "3"));
    expect_keys(store, "p", "", 10, &["1", "3"]);
    apply(store, |t| t.erase_range("p", "3", "1"));
    apply(store, |t| t.erase_range("p", "3", "3"));
    expect_keys(store, "p", "", 10, &["1", "3"]);
}

fn scans_are_ordered_and_bounded(store: &impl KvStore) {
    apply(store, |t| ["b", "a/b", "a", "c", "a/", "ab"].into_iter().for_each(|key| t.put("p", key, "x")));
    expect_keys(store, "p", "", usize::MAX, &["a", "a/", "a/b", "ab", "b", "c"]);
    expect_keys(store, "p", "a/", 2, &["a/", "a/b"]);
    expect_keys(store, "p", "a0", 1, &["ab"]);
    expect_keys(store, "p", "d", 5, &[]);
    expect_keys(store, "p", "", 0, &[]);
}

fn counters(store: &impl KvStore) {
    assert_eq!(store.read_u64("paxos", "last_committed"), Ok(None));
    apply(store, |t| t.put_u64("paxos", "last_committed", 0x0102_0304_0506_0708));
    assert_eq!(store.read_u64("paxos", "last_committed"), Ok(Some(0x0102_0304_0506_0708)));
    apply(store, |t| t.put("paxos", "last_committed", "short"));
    let damaged = store.read_u64("paxos", "last_committed");
    assert!(matches!(damaged, Err(StoreError::Damaged { .. })), "{damaged:?}");
}

fn batches_are_one(store: &impl KvStore) {
    let batch: Vec<Transaction> = (0..3)
        .map(|i| {
            let mut transaction = Transaction::new();
            transaction.put("p", "last", format!("{i}"));
            transaction.put("p", format!("key {i}"), "x");
            transaction
        })
        .collect();
    assert_eq!(store.apply(&batch, true), Ok(()));
    expect(store, "p", "last", Some("2"));
    expect_keys(store, "p", "key", 10, &["key 0", "key 1", "key 2", "last"]);
    assert_eq!(store.apply(&[], true), Ok(()));
    assert_eq!(store.apply(&[Transaction::new()], false), Ok(()));
}

fn binary_values_and_empty_ones(store: &impl KvStore) {
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    apply(store, |t| {
        t.put("p", "binary", binary.clone());
        t.put("p", "empty", "");
        t.put("p", "", "an empty key");
        t.put("p", "with\0nul", "x");
    });
    assert_eq!(store.read("p", "binary"), Ok(Some(binary.into())));
    expect(store, "p", "empty", Some(""));
    expect(store, "p", "", Some("an empty key"));
    expect_keys(store, "p", "", 10, &["", "binary", "empty", "with\0nul"]);
}

fn hints_change_nothing(store: &impl KvStore) {
    use mon_types::kv::Op::Compact;
    apply(store, |t| {
        t.put("p", "a", "1");
        t.push(Compact { prefix: "p".into(), range: None });
        t.push(Compact { prefix: "p".into(), range: Some(("a".into(), "b".into())) });
        t.push(Compact { prefix: "absent".into(), range: Some(("z".into(), "a".into())) });
    });
    expect(store, "p", "a", Some("1"));
}

fn digests(left: &impl KvStore, right: &impl KvStore) {
    assert_eq!(left.digest("p").map(|d| (d.keys, d.bytes)), Ok((0, 0)));
    // More than a page of the scan below it, written in different orders.
    for i in 0..700 {
        apply(left, |t| t.put("p", i.to_string(), format!("value {i}")));
        apply(right, |t| t.put("p", (699 - i).to_string(), format!("value {}", 699 - i)));
    }
    assert_eq!(left.digest("p").map(|d| d.keys), Ok(700));
    assert_eq!(left.digest("p"), right.digest("p"));
    apply(right, |t| t.put("p", "350", "another value"));
    assert_ne!(left.digest("p"), right.digest("p"));
    assert_eq!(left.digest("q"), right.digest("q"));
}
