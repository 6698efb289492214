//! Keys and keyrings in Ceph's form, made once in the life of a cluster.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rand::Rng;
use zeroize::Zeroizing;

/// A new key of type AES-128, in base64: what every release of Ceph can log in with.
///
/// Ceph's CryptoKey is type (u16), creation time (two u32), length (u16) and the secret, all little-endian.
pub fn new_key(now: Timestamp) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(28));
    bytes.extend(1u16.to_le_bytes());
    bytes.extend(u32::try_from(now.as_second()).unwrap_or(0).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(16u16.to_le_bytes());
    let mut secret = Zeroizing::new([0u8; 16]);
    rand::rng().fill_bytes(secret.as_mut());
    bytes.extend(secret.iter());
    Zeroizing::new(STANDARD.encode(&*bytes))
}

/// The keyring that new monitors begin with: their own key, and that of client.admin.
pub fn monitors(mon: &str, admin: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("[mon.]\n\tkey = {mon}\n\tcaps mon = \"allow *\"\n{}", &*administrator(admin)))
}

/// The keyring of client.admin.
pub fn administrator(key: &str) -> Zeroizing<String> {
    let caps: String =
        ["mon", "osd", "mds", "mgr"].iter().map(|it| format!("\tcaps {it} = \"allow *\"\n")).collect();
    Zeroizing::new(format!("[client.admin]\n\tkey = {key}\n{caps}"))
}

/// The key of client.admin in a keyring, if it is there.
pub fn administrators_key(keyring: &str) -> Option<Zeroizing<String>> {
    let section = keyring.split("[client.admin]").nth(1)?;
    let section = section.split('[').next()?;
    let line = section.lines().find_map(|line| line.trim().strip_prefix("key"))?;
    let key = line.trim_start().strip_prefix('=')?.trim();
    (!key.is_empty()).then(|| Zeroizing::new(key.to_owned()))
}

/// A token for the monitors' HTTP endpoint.
pub fn new_token() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    rand::rng().fill_bytes(bytes.as_mut());
    Zeroizing::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_form_of_ceph() {
        let now = Timestamp::from_second(0x0102_0304).unwrap();
        let (one, other) = (new_key(now), new_key(now));
        let bytes = STANDARD.decode(one.as_bytes()).unwrap();
        assert_eq!(bytes[..12], [1, 0, 4, 3, 2, 1, 0, 0, 0, 0, 16, 0]);
        assert_eq!(bytes.len(), 28);
        assert_ne!(one, other);
    }

    #[test]
    fn the_administrators_key_is_found() {
        let keyring = monitors("MONKEY==", "ADMINKEY==");
        assert_eq!(administrators_key(&keyring).unwrap().as_str(), "ADMINKEY==");
        assert!(administrators_key("[mon.]\n\tkey = x\n").is_none());
        assert!(new_token().len() >= 32);
    }
}
