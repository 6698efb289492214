//! Keyring files.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityName;
use mon_types::keyring::Keyring;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failed};

/// Reads a keyring.
pub(crate) fn read(path: &Path) -> Result<Keyring, Failed> {
    let failed = |why: String| Failed::new(Exit::Keyring, format!("keyring {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| failed(format!("{error}; give another with the option keyring")))?;
    text.parse().map_err(|error: mon_types::keyring::BadKeyring| failed(error.to_string()))
}

/// The key that all monitors share: from the configured keyring, or else from the one that mkfs put beside
/// the store.
pub(crate) fn mon_key(configured: &Path, data: &Path) -> Result<CryptoKey, Failed> {
    let beside = data.join("keyring");
    let mut paths = vec![configured];
    if beside != configured {
        paths.push(&beside);
    }
    let mut first_failure = None;
    for path in &paths {
        match read(path) {
            Ok(keyring) => {
                if let Some(key) = keyring.key_of(&EntityName::mon()).filter(|key| !key.is_empty()) {
                    return Ok(key.clone());
                }
            }
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    Err(first_failure.unwrap_or_else(|| {
        let tried: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let message = format!("no key of mon. in {}; `ceph auth get mon.` shows it", tried.join(" or "));
        Failed::new(Exit::Keyring, message)
    }))
}

/// Writes a keyring so that only its owner can read it, whole or not at all.
pub(crate) fn write(path: &Path, keyring: &Keyring) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(keyring.to_text().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use mon_types::auth::EntityAuth;
    use mon_types::time::UTime;

    use super::*;

    #[test]
    fn the_key_is_looked_for_beside_the_store_too() {
        let data = tempfile::tempdir().unwrap();
        let (configured, beside) = (data.path().join("given"), data.path().join("keyring"));
        assert_eq!(mon_key(&configured, data.path()).unwrap_err().exit, Exit::Keyring);
        let key = CryptoKey::aes(UTime::default(), [7; 16]);
        let auth = EntityAuth { key: key.clone(), ..EntityAuth::default() };
        write(&beside, &Keyring::of(EntityName::mon(), auth)).unwrap();
        assert_eq!(std::fs::metadata(&beside).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(mon_key(&configured, data.path()), Ok(key.clone()));
        write(&configured, &Keyring::default()).unwrap();
        assert_eq!(mon_key(&configured, data.path()), Ok(key));
        std::fs::remove_file(&beside).unwrap();
        assert!(mon_key(&configured, data.path()).is_err());
        std::fs::write(&configured, "[mon.]\n\tkey = se cret").unwrap();
        let error = mon_key(&configured, data.path()).unwrap_err();
        assert!(!error.message.contains("cret"), "{error}");
    }
}
