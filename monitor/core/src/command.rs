//! Commands: what is known, and how it is read.

pub mod arguments;
pub(crate) mod format;
pub mod signature;
pub mod socket;
pub mod table;
