//! What people write: keyrings, capabilities, names, addresses.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use mon_types::addr::{AddrVec, EntityAddr};
use mon_types::caps::{Access, MonCap, Request};
use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityName;
use mon_types::id::Fsid;
use mon_types::keyring::Keyring;
use mon_types::release::Release;

pub(crate) fn keyring(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(keyring) = text.parse::<Keyring>() else { return };
    let again = keyring.to_text();
    match again.parse::<Keyring>() {
        Ok(decoded) => assert!(decoded == keyring, "another keyring than was written"),
        Err(error) => panic!("what we write must be read: {error}"),
    }
}

/// A line of questions, then the capabilities that answer them.
pub(crate) fn caps(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (question, text) = text.split_once('\n').unwrap_or(("", text));
    let Ok(cap) = text.parse::<MonCap>() else { return };
    assert_eq!(cap.text().parse::<MonCap>().as_ref(), Ok(&cap), "its own text means something else");
    let mut words = question.split(' ');
    let (service, command) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let args: BTreeMap<String, String> = words
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let entity = EntityName::mon();
    for need in [Access::READ, Access::WRITE, Access::EXECUTE, Access::ALL] {
        for addr in [None, Some(IpAddr::from([10, 0, 0, 1]))] {
            let request = Request { entity: &entity, service, command, args: &args, need, addr };
            assert!(
                !cap.is_allow_all() || cap.allows(&request) || addr.is_none() || text.contains("network")
            );
        }
    }
}

pub(crate) fn name(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    reads_back::<EntityName>(text);
    reads_back::<Fsid>(text);
    reads_back::<EntityAddr>(text);
    reads_back::<AddrVec>(text);
    // Neither has a text that is read back; both must only not panic.
    let _ = text.parse::<CryptoKey>();
    let _ = text.parse::<Release>();
}

fn reads_back<T: FromStr + Display + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let again = value.to_string();
    assert!(again.parse::<T>().is_ok_and(|decoded| decoded == value), "'{text}' shows as '{again}', another");
}
