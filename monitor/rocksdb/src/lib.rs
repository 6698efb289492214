//! The RocksDB store, in the layout of Ceph's monitors, so that stock tools and stock daemons read what we
//! wrote and the other way round. The only crate that links C++.
//!
//! ```text
//! <mon data>/kv_backend     "rocksdb\n"
//! <mon data>/store.db/      RocksDB, default column family, bytewise order, no compression
//!     key = prefix | NUL | key
//! <mon data>/store.db/SYNCED  up to where it is on disk, see mark.rs
//! ```
//!
//! Other files of the data directory (`keyring`, `min_mon_release` ...) belong to the daemon.

mod store;

mod compaction;
mod history;
mod in_use;
mod log_file;
mod manifest;
mod mark;
mod open;
mod open_error;
mod options;

pub use mark::SYNCED_FILE;
pub use open::{ReadOnlyStore, create, is_made, open, peek};
pub use open_error::OpenError;
pub use options::TableFormat;
pub use store::RocksStore;
