//! The first content of a monitor's store, as `ceph-mon --mkfs` writes it.
//!
//! A monitor made this way knows its cluster only from `mkfs/`: the monmap to find the others by, and the keys
//! (all but `mon.`, which stays in the file `keyring` beside the store) that the first Paxos value starts with.

use mon_types::compat_set::CompatSet;
use mon_types::encode::Encode;
use mon_types::entity::EntityName;
use mon_types::id::MapEpoch;
use mon_types::keyring::Keyring;
use mon_types::kv::Transaction;
use mon_types::monmap::MonMap;

/// What `monitor/magic` holds.
pub const MAGIC: &str = "ceph mon volume v012\n";

/// The writes that make an empty store a monitor's. The monmap's epoch becomes 0: this map has not been agreed
/// on by anybody.
#[must_use]
pub fn mkfs(monmap: &MonMap, keyring: &Keyring) -> Transaction {
    let mut monmap = monmap.clone();
    monmap.epoch = MapEpoch(0);
    let mut others = keyring.clone();
    others.entities.remove(&EntityName::mon());
    let mut transaction = Transaction::new();
    transaction.put("mkfs", "monmap", monmap.to_bytes());
    transaction.put("mkfs", "keyring", others.to_text().as_bytes().to_vec());
    transaction.put("monitor", "magic", MAGIC.as_bytes().to_vec());
    transaction.put("monitor", "cluster_uuid", format!("{}\n", monmap.fsid).into_bytes());
    transaction.put("monitor", "feature_set", CompatSet::initial().to_bytes());
    transaction
}
