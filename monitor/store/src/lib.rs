//! The store of a monitor: what a backend must do, and everything about stores that needs no RocksDB.
//!
//! A store holds `prefix -> key -> bytes` and knows nothing of what the keys mean. `mon-rocksdb` is the
//! backend that daemons run on; [`MemoryStore`] serves the tests and the simulator. Both pass
//! [`conformance`].

mod store;

mod disk;
mod memory;
mod writer;

pub mod conformance;

pub use disk::{DiskLevel, DiskLimits, DiskSpace};
pub use memory::MemoryStore;
pub use store::{Digest, KvStore};
pub use writer::{Round, WriteFailed, Writer};
