//! New keys, and the rule by which a service's rotating secrets follow each other.
//!
//! A service holds three secrets: the previous one, under which tickets may still be in use; the current
//! one, for new tickets; and the next one, so that services learn it before any ticket needs it. When the
//! current one ends, a new secret is added and the oldest goes.

use std::time::Duration;

use mon_types::auth::{ExpiringKey, ROTATING_COUNT, RotatingSecrets};
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::entity::EntityType;
use mon_types::time::UTime;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The services that have rotating secrets.
pub const SERVICES: [EntityType; 5] =
    [EntityType::Mon, EntityType::Mds, EntityType::Osd, EntityType::Mgr, EntityType::Auth];

/// A new key; for kind `None` the absent one.
pub fn generate_key(kind: CryptoKind, wall: UTime, rng: &mut dyn CryptoRng) -> CryptoKey {
    match kind {
        CryptoKind::None => CryptoKey::default(),
        CryptoKind::Aes => CryptoKey::aes(wall, *random(rng)),
        CryptoKind::Aes256k => CryptoKey::aes256k(wall, *random(rng)),
    }
}

/// Whether [`rotate`] would change something.
#[must_use]
pub fn is_due(secrets: &RotatingSecrets, wall: UTime) -> bool {
    // The second oldest, whatever the clock says: `RotatingSecrets::current` already skips an ended one.
    let current = secrets.secrets.values().nth(1);
    secrets.secrets.len() < ROTATING_COUNT || current.is_none_or(|secret| secret.expires <= wall)
}

/// Adds secrets of a kind until three are there and the current one is valid, and drops the oldest.
/// `ttl` is how long tickets of that service are valid. Returns whether anything changed.
pub fn rotate(
    secrets: &mut RotatingSecrets,
    kind: CryptoKind,
    ttl: Duration,
    wall: UTime,
    rng: &mut dyn CryptoRng,
) -> bool {
    let mut changed = false;
    // Three additions make every secret new; more cannot help, whatever clock and ttl are.
    for _ in 0..ROTATING_COUNT {
        if kind == CryptoKind::None || !is_due(secrets, wall) {
            break;
        }
        let newest = secrets.secrets.values().next_back();
        let starts = newest.map_or(wall, |newest| newest.expires.max(later(wall, ttl)));
        secrets.id_max += 1;
        let added = ExpiringKey { key: generate_key(kind, wall, rng), expires: later(starts, ttl) };
        secrets.secrets.insert(secrets.id_max, added);
        while secrets.secrets.len() > ROTATING_COUNT {
            secrets.secrets.pop_first();
        }
        changed = true;
    }
    changed
}

fn later(wall: UTime, by: Duration) -> UTime {
    UTime::from_duration(wall.to_duration().saturating_add(by))
}

fn random<const N: usize>(rng: &mut dyn CryptoRng) -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    rng.fill_bytes(bytes.as_mut_slice());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, rng};

    const TTL: Duration = Duration::from_secs(100);

    fn expirations(secrets: &RotatingSecrets) -> Vec<(u64, u32)> {
        secrets.secrets.iter().map(|(id, secret)| (*id, secret.expires.sec)).collect()
    }

    #[test]
    fn three_secrets_are_made_at_first_and_one_follows_per_ttl() {
        let mut secrets = RotatingSecrets::default();
        assert!(rotate(&mut secrets, CryptoKind::Aes, TTL, at(1000), &mut rng()));
        assert_eq!(expirations(&secrets), [(1, 1100), (2, 1200), (3, 1300)]);
        assert!(!rotate(&mut secrets, CryptoKind::Aes, TTL, at(1199), &mut rng()));
        assert!(rotate(&mut secrets, CryptoKind::Aes256k, TTL, at(1200), &mut rng()));
        assert_eq!(expirations(&secrets), [(2, 1200), (3, 1300), (4, 1400)]);
        assert_eq!(secrets.current(at(1201)).map(|(id, _)| id), Some(3));
        let kinds: Vec<_> = secrets.secrets.values().map(|secret| secret.key.kind()).collect();
        assert_eq!(kinds, [CryptoKind::Aes, CryptoKind::Aes, CryptoKind::Aes256k]);
    }

    #[test]
    fn after_a_long_pause_the_current_secret_is_valid_again() {
        let mut secrets = RotatingSecrets::default();
        rotate(&mut secrets, CryptoKind::Aes, TTL, at(1000), &mut rng());
        assert!(rotate(&mut secrets, CryptoKind::Aes, TTL, at(50_000), &mut rng()));
        let (_, current) = secrets.current(at(50_000)).unwrap();
        assert!(current.expires > at(50_000));
        assert!(!is_due(&secrets, at(50_000)));
    }

    #[test]
    fn it_ends_at_the_end_of_time() {
        for ttl in [Duration::ZERO, TTL, Duration::MAX] {
            let mut secrets = RotatingSecrets::default();
            rotate(&mut secrets, CryptoKind::Aes, ttl, at(u32::MAX), &mut rng());
            assert_eq!(secrets.secrets.len(), ROTATING_COUNT);
        }
    }
}
