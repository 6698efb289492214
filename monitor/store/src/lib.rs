//! The store of a monitor: what a backend must do, and everything about stores that needs no RocksDB.
//!
//! A store holds `prefix -> key -> bytes` and knows nothing of what the keys mean. `mon-rocksdb` is the
//! backend that daemons run on; [`MemoryStore`] serves the tests and the simulator. Both pass
//! [`conformance`].

mod store;

mod memory;

pub mod conformance;

pub use memory::MemoryStore;
pub use store::{Digest, KvStore};
