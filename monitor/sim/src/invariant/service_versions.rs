//! A value moves a service by one version or not at all, and carries what the new version is: pending changes are
//! in one value whole, or in none.

use super::book::{Book, Page, SERVICES};
use super::{Finding, Invariant};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct ServiceVersions;

impl Invariant for ServiceVersions {
    fn name(&self) -> &'static str {
        "service versions"
    }

    fn chosen(&mut self, book: &Book, page: &Page) -> Finding {
        let value = page.version;
        for service in SERVICES {
            let before = book.services.get(service).copied().unwrap_or(0);
            let after = page.services.get(service).copied().unwrap_or(before);
            if after != before && after != before + 1 {
                return Err(format!("value {value} takes {service} from version {before} to {after}"));
            }
            let carried: Vec<u64> = match service {
                "kv" => page.kv.iter().map(|(version, _)| *version).collect(),
                "logm" => page.log.iter().map(|(version, _)| *version).collect(),
                "monmap" => page.maps.iter().map(|map| map.epoch.0.into()).collect(),
                _ => continue,
            };
            let due: Vec<u64> = if after == before { Vec::new() } else { vec![after] };
            if carried != due {
                return Err(format!("value {value} carries {service} {carried:?}, but says {after}"));
            }
        }
        let told: Vec<&String> = page.kv.iter().flat_map(|(_, delta)| delta.keys()).collect();
        if told.len() != page.touched.len() || told.iter().any(|key| !page.touched.contains(*key)) {
            return Err(format!("value {value} changes {:?}, but its delta tells of {told:?}", page.touched));
        }
        Ok(())
    }
}
