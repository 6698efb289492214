//! Values in the store and in messages, in Ceph's encoding.

use mon_cephx::ticket::{AuthTicket, TicketBlob, TicketCaps, TicketInfo};
use mon_types::addr::{AddrVec, EntityAddr};
use mon_types::auth::{EntityAuth, ExpiringKey, RotatingSecrets};
use mon_types::caps::MonCap;
use mon_types::command_desc::CommandTable;
use mon_types::compat_set::CompatSet;
use mon_types::connection_tracker::{ConnectionReport, ConnectionTracker};
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::{Decode, Encode};
use mon_types::entity::{EntityInstanceName, EntityName};
use mon_types::feature_map::FeatureMap;
use mon_types::features::MonFeatures;
use mon_types::health::{HealthCheckMap, HealthMutes, QuorumChecks};
use mon_types::key_server::{AuthFull, AuthIncremental, KeyServerData, Rotating};
use mon_types::kv::Transaction;
use mon_types::kv_delta::KvDelta;
use mon_types::log::{LogEntry, LogIncremental, LogSummary};
use mon_types::metadata::LastMetadata;
use mon_types::monmap::MonMap;
use mon_wire::auth::{AuthBadMethod, AuthDone, AuthRequest, Hello};
use mon_wire::ident::{ClientIdent, Reconnect, ServerIdent};

/// A value, or an error; and the value survives encoding.
pub(crate) fn decodes<T: Encode + Decode>(input: &[u8]) {
    let Ok(value) = T::from_bytes(input) else { return };
    let again = value.to_bytes();
    let Ok(decoded) = T::from_bytes(&again) else { panic!("what we encode must decode: {again:?}") };
    assert_eq!(decoded.to_bytes(), again, "encoding is not stable");
}

pub(crate) fn monmap(input: &[u8]) {
    decodes::<MonMap>(input);
}

pub(crate) fn transaction(input: &[u8]) {
    decodes::<Transaction>(input);
}

/// The first byte chooses the type.
pub(crate) fn store_value(input: &[u8]) {
    let decoders = [
        decodes::<CompatSet>,
        decodes::<HealthCheckMap>,
        decodes::<QuorumChecks>,
        decodes::<HealthMutes>,
        decodes::<LogEntry>,
        decodes::<LogIncremental>,
        decodes::<LogSummary>,
        decodes::<KvDelta>,
        decodes::<FeatureMap>,
        decodes::<ConnectionTracker>,
        decodes::<ConnectionReport>,
        decodes::<LastMetadata>,
        decodes::<CommandTable>,
        decodes::<MonFeatures>,
        decodes::<EntityAddr>,
        decodes::<AddrVec>,
        decodes::<EntityName>,
        decodes::<EntityInstanceName>,
        decodes::<MonCap>,
    ];
    choose(&decoders, input);
}

/// Keys, tickets and what a handshake says of itself; the first byte chooses the type.
pub(crate) fn auth_value(input: &[u8]) {
    let decoders = [
        decodes::<AuthIncremental>,
        decodes::<KeyServerData>,
        decodes::<AuthFull>,
        decodes::<Rotating>,
        decodes::<RotatingSecrets>,
        decodes::<ExpiringKey>,
        decodes::<EntityAuth>,
        decodes::<CryptoKey>,
        decodes::<TicketBlob>,
        decodes::<TicketInfo>,
        decodes::<AuthTicket>,
        decodes::<TicketCaps>,
        decodes::<Hello>,
        decodes::<AuthRequest>,
        decodes::<AuthBadMethod>,
        decodes::<AuthDone>,
        decodes::<ClientIdent>,
        decodes::<ServerIdent>,
        decodes::<Reconnect>,
    ];
    choose(&decoders, input);
}

fn choose(decoders: &[fn(&[u8])], input: &[u8]) {
    if let Some((first, rest)) = input.split_first() {
        decoders[usize::from(*first) % decoders.len()](rest);
    }
}
