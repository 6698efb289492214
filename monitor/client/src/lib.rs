//! A client of monitors, stock or ours: msgr2.1 and cephx over tokio.
//!
//! [`Client::open`] connects to one of a cluster's monitors. When that one dies or falls silent it hunts
//! for another, keeps its global id, subscribes again and sends again what was not answered: callers of
//! [`Client::command`] only see that it took longer.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use mon_client::{Client, Target};
//!
//! let target = Target::from_conf("ceph.conf".as_ref(), "client.admin".parse()?, None)?;
//! let client = Client::open(target).await?;
//! let reply = client.command(r#"{"prefix": "status"}"#, Default::default()).await?;
//! println!("{} {}", reply.code, String::from_utf8_lossy(&reply.output));
//! # Ok(())
//! # }
//! ```

pub mod ceph_conf;
mod client;
mod conf;
mod error;
mod hunt;
mod link;
pub mod stock;
mod target;

pub use ceph_conf::BadConf;
pub use client::{Client, CommandReply};
pub use conf::monitor_addresses;
pub use error::{ClientError, LinkError};
pub use mon_wire::auth::Mode;
pub use target::{Target, TargetError};
