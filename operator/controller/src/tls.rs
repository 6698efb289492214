//! The certificates of the monitors' HTTP endpoints: an authority of the cluster's own, and one certificate that
//! all its members show. Both are renewed long before they end; the monitors read them again by themselves.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use zeroize::Zeroizing;

/// PEM texts, and when they are to be made anew.
#[derive(Clone)]
pub struct Certificates {
    /// The authority, newest first: an earlier one may still be in use.
    pub authorities: String,
    /// The newest authority's key.
    pub authority_key: Zeroizing<String>,
    /// When a new authority is due.
    pub authority_until: Timestamp,
    /// What monitors show.
    pub certificate: String,
    /// Its key.
    pub key: Zeroizing<String>,
    /// When a new certificate is due.
    pub until: Timestamp,
}

/// Why none could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate: {0}")]
pub struct CannotCertify(#[from] rcgen::Error);

/// A certificate is renewed when two thirds of its time have passed, an authority likewise.
const CERTIFICATE_DAYS: i64 = 365;
const AUTHORITY_DAYS: i64 = 3650;
/// Clocks of nodes differ.
const EARLIER: SignedDuration = SignedDuration::from_hours(1);

impl Certificates {
    /// Makes what is missing or due; none when nothing is.
    ///
    /// # Errors
    /// When the authority's key cannot be used.
    pub fn renew(
        present: Option<&Self>,
        names: &[String],
        now: Timestamp,
    ) -> Result<Option<Self>, CannotCertify> {
        match present {
            Some(present) if now < present.until && now < present.authority_until => Ok(None),
            Some(present) if now < present.authority_until => {
                let key = KeyPair::from_pem(&present.authority_key)?;
                let (certificate, own_key) = issue(key, names, now)?;
                let until = due(now, CERTIFICATE_DAYS);
                Ok(Some(Self { certificate, key: own_key, until, ..present.clone() }))
            }
            earlier => {
                let key = KeyPair::generate()?;
                let authority_key = Zeroizing::new(key.serialize_pem());
                let authority = authority(now).self_signed(&key)?.pem();
                let (certificate, own_key) = issue(key, names, now)?;
                // Monitors that have not read the new certificate yet show one of the earlier authority.
                let earlier = earlier.map(|it| first(&it.authorities)).unwrap_or_default();
                Ok(Some(Self {
                    authorities: authority + earlier,
                    authority_key,
                    authority_until: due(now, AUTHORITY_DAYS),
                    certificate,
                    key: own_key,
                    until: due(now, CERTIFICATE_DAYS),
                }))
            }
        }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { until, authority_until, .. } = self;
        f.debug_struct("Certificates")
            .field("until", until)
            .field("authority_until", authority_until)
            .finish_non_exhaustive()
    }
}

fn due(now: Timestamp, days: i64) -> Timestamp {
    later(now, SignedDuration::from_hours(days * 24 * 2 / 3))
}

fn later(now: Timestamp, span: SignedDuration) -> Timestamp {
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}

fn validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let date = |time: Timestamp| {
        let date = time.to_zoned(jiff::tz::TimeZone::UTC).date();
        // Months and days of a date fit.
        rcgen::date_time_ymd(i32::from(date.year()), date.month() as u8, date.day() as u8)
    };
    params.not_before = date(later(now, -EARLIER));
    params.not_after = date(later(now, SignedDuration::from_hours((days + 1) * 24)));
}

fn authority(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "moncluster monitors");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now, AUTHORITY_DAYS);
    params
}

fn issue(
    key: KeyPair,
    names: &[String],
    now: Timestamp,
) -> Result<(String, Zeroizing<String>), CannotCertify> {
    let issuer = Issuer::new(authority(now), key);
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "moncluster monitor");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, now, CERTIFICATE_DAYS);
    let own = KeyPair::generate()?;
    let certificate = params.signed_by(&own, &issuer)?;
    Ok((certificate.pem(), Zeroizing::new(own.serialize_pem())))
}

/// The first certificate of a PEM text.
fn first(pem: &str) -> &str {
    const END: &str = "-----END CERTIFICATE-----\n";
    pem.find(END).map_or("", |at| &pem[..at + END.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_renewed_in_time_and_the_earlier_authority_stays_known() {
        let names = ["a-mons.ceph.svc".to_owned()];
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let made = Certificates::renew(None, &names, start).unwrap().unwrap();
        assert!(Certificates::renew(Some(&made), &names, start).unwrap().is_none());
        let half_a_year = later(start, SignedDuration::from_hours(24 * 182));
        assert!(Certificates::renew(Some(&made), &names, half_a_year).unwrap().is_none());
        let nine_months = later(start, SignedDuration::from_hours(24 * 275));
        let second = Certificates::renew(Some(&made), &names, nine_months).unwrap().unwrap();
        assert_eq!(second.authorities, made.authorities);
        assert!(second.certificate != made.certificate && second.until > made.until);
        let years = later(start, SignedDuration::from_hours(24 * 365 * 8));
        let third = Certificates::renew(Some(&second), &names, years).unwrap().unwrap();
        assert!(third.authorities.ends_with(&made.authorities) && third.authorities != made.authorities);
        assert!(!format!("{third:?}").contains("PRIVATE"));
    }
}
