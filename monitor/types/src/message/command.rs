//! `MMonCommand`, `MCommand` (from `ceph tell`) and their answers.
//!
//! Input (`-i FILE`) and output travel in the data segment, beside the encoded fields.

use bytes::Bytes;

use super::{PaxosServiceMessage, Payload};
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::id::Fsid;

/// A command to the quorum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MMonCommand {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster that the sender means; all zero when it does not know.
    pub fsid: Fsid,
    /// The command: one JSON text, in practice.
    pub cmd: Vec<String>,
    /// What goes with it.
    pub input: Bytes,
}

/// The answer to a [`MMonCommand`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MMonCommandAck {
    /// The service prefix, with the version that the command produced.
    pub paxos: PaxosServiceMessage,
    /// 0, or a negative errno.
    pub code: i32,
    /// One line for people.
    pub message: String,
    /// The command, repeated.
    pub cmd: Vec<String>,
    /// The command's output.
    pub output: Bytes,
}

/// A command to this very daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MCommand {
    /// The cluster that the sender means; all zero when it does not know.
    pub fsid: Fsid,
    /// The command: one JSON text, in practice.
    pub cmd: Vec<String>,
    /// What goes with it.
    pub input: Bytes,
}

/// The answer to a [`MCommand`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MCommandReply {
    /// 0, or a negative errno.
    pub code: i32,
    /// One line for people.
    pub message: String,
    /// The command's output.
    pub output: Bytes,
}

impl Encode for MMonCommand {
    fn encode(&self, out: &mut Vec<u8>) {
        self.paxos.encode(out);
        self.fsid.encode(out);
        self.cmd.encode(out);
    }
}

impl Decode for MMonCommand {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            paxos: Decode::decode(input)?,
            fsid: Decode::decode(input)?,
            cmd: Decode::decode(input)?,
            input: Bytes::new(),
        })
    }
}

impl Payload for MMonCommand {
    const KIND: u16 = 50;
    fn data(&self) -> Bytes {
        self.input.clone()
    }
    fn attach(&mut self, data: &Bytes) {
        self.input = data.clone();
    }
}

impl Encode for MMonCommandAck {
    fn encode(&self, out: &mut Vec<u8>) {
        self.paxos.encode(out);
        self.code.encode(out);
        self.message.encode(out);
        self.cmd.encode(out);
    }
}

impl Decode for MMonCommandAck {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            paxos: Decode::decode(input)?,
            code: Decode::decode(input)?,
            message: Decode::decode(input)?,
            cmd: Decode::decode(input)?,
            output: Bytes::new(),
        })
    }
}

impl Payload for MMonCommandAck {
    const KIND: u16 = 51;
    fn data(&self) -> Bytes {
        self.output.clone()
    }
    fn attach(&mut self, data: &Bytes) {
        self.output = data.clone();
    }
}

impl Encode for MCommand {
    fn encode(&self, out: &mut Vec<u8>) {
        self.fsid.encode(out);
        self.cmd.encode(out);
    }
}

impl Decode for MCommand {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { fsid: Decode::decode(input)?, cmd: Decode::decode(input)?, input: Bytes::new() })
    }
}

impl Payload for MCommand {
    const KIND: u16 = 97;
    fn data(&self) -> Bytes {
        self.input.clone()
    }
    fn attach(&mut self, data: &Bytes) {
        self.input = data.clone();
    }
}

impl Encode for MCommandReply {
    fn encode(&self, out: &mut Vec<u8>) {
        self.code.encode(out);
        self.message.encode(out);
    }
}

impl Decode for MCommandReply {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { code: Decode::decode(input)?, message: Decode::decode(input)?, output: Bytes::new() })
    }
}

impl Payload for MCommandReply {
    const KIND: u16 = 98;
    fn data(&self) -> Bytes {
        self.output.clone()
    }
    fn attach(&mut self, data: &Bytes) {
        self.output = data.clone();
    }
}
