//! Commands: what is known, and how it is read.

pub mod arguments;
pub mod signature;
pub mod table;
