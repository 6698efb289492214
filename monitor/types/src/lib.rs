//! Ceph's values and their encoding, without behaviour.
//!
//! Everything a monitor stores or sends is a type here that decodes from Ceph's bytes and encodes to
//! them again. Nothing here decides, computes over time, or touches the outside.

// The derive macros name this crate by its outside name.
extern crate self as mon_types;

pub mod addr;
pub mod auth;
pub mod caps;
pub mod command_desc;
pub mod compat_set;
pub mod connection_tracker;
pub mod crypto_key;
pub mod encode;
pub mod entity;
pub mod feature_map;
pub mod features;
pub mod health;
pub mod id;
pub mod key_server;
pub mod keyring;
pub mod kv;
pub mod kv_delta;
pub mod log;
pub mod message;
pub mod metadata;
pub mod monmap;
pub mod release;
pub mod tail;
pub mod time;
