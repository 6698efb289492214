//! What a monitor tells of its host, as `ceph mon metadata` and `ceph versions` show it.

use std::collections::BTreeMap;
use std::path::Path;

use mon_types::addr::AddrVec;
use mon_types::release::Release;

/// The version that we show, in the words of `ceph --version`; programs that read it look for the numbers.
pub(crate) fn version_text(release: Release) -> String {
    let number = version_number(release);
    format!("ceph version {number} (moncluster-{}) {release} (stable)", env!("CARGO_PKG_VERSION"))
}

/// The point release of each that this monitor was held against.
pub(crate) fn version_number(release: Release) -> &'static str {
    match release {
        Release::Pacific => "16.2.15",
        Release::Quincy => "17.2.9",
        Release::Reef => "18.2.7",
        Release::Squid => "19.2.3",
        Release::Tentacle => "20.2.4",
    }
}

/// Files of a data directory that tell when and by which version it was made; stock monitors of 18 and later
/// write them and show their content.
const CREATION: [&str; 2] = ["ceph_version_when_created", "created_at"];

/// Notes in a new data directory when and by what it was made.
pub(crate) fn note_creation(data: &Path, release: Release) -> std::io::Result<()> {
    if release < Release::Reef {
        return Ok(());
    }
    let contents = [version_text(release), format!("{:.6}", jiff::Timestamp::now())];
    CREATION.iter().zip(contents).try_for_each(|(name, text)| std::fs::write(data.join(name), text + "\n"))
}

/// What the data directory says of its making; a directory of an older release says nothing.
pub(crate) fn creation(data: &Path) -> impl Iterator<Item = (String, String)> {
    CREATION.into_iter().filter_map(|name| {
        let text = std::fs::read_to_string(data.join(name)).ok()?;
        Some((name.to_owned(), text.trim().to_owned()))
    })
}

/// The properties that stock monitors have, too.
pub(crate) fn metadata(addrs: &AddrVec, release: Release) -> BTreeMap<String, String> {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let (memory, swap) = memory_kb(&read("/proc/meminfo"));
    let (distro, distro_version, distro_description) = distribution(&read("/etc/os-release"));
    BTreeMap::from(
        [
            ("addrs", addrs.to_string()),
            ("arch", text(system.machine())),
            ("ceph_release", release.to_string()),
            ("ceph_version", version_text(release)),
            ("ceph_version_short", version_number(release).into()),
            ("compression_algorithms", "none".into()),
            ("cpu", cpu(&read("/proc/cpuinfo"))),
            ("device_ids", String::new()),
            ("device_paths", String::new()),
            ("devices", String::new()),
            ("distro", distro),
            ("distro_description", distro_description),
            ("distro_version", distro_version),
            ("hostname", text(system.nodename())),
            ("kernel_description", text(system.version())),
            ("kernel_version", text(system.release())),
            ("mem_swap_kb", swap),
            ("mem_total_kb", memory),
            ("os", text(system.sysname())),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    )
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn cpu(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(String::new, |(_, name)| name.trim().into())
}

fn memory_kb(meminfo: &str) -> (String, String) {
    let value = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("0").to_owned()
    };
    (value("MemTotal"), value("SwapTotal"))
}

fn distribution(os_release: &str) -> (String, String, String) {
    let value = |name: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    (value("ID"), value("VERSION_ID"), value("PRETTY_NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_system_are_understood() {
        assert_eq!(cpu("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n"), "Some CPU @ 2 GHz");
        assert_eq!(memory_kb("MemTotal:       24 kB\nSwapTotal: 7 kB\n"), ("24".into(), "7".into()));
        let os = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n";
        let expected = ["debian", "12", "Debian GNU/Linux 12 (bookworm)"].map(str::to_owned);
        assert_eq!(distribution(os), expected.into());
        assert_eq!(memory_kb(""), ("0".into(), "0".into()));
    }

    #[test]
    fn the_keys_are_stocks() {
        let metadata = metadata(&AddrVec::default(), Release::Tentacle);
        assert_eq!(metadata.len(), 19);
        assert!(metadata["ceph_version"].starts_with("ceph version 20.2.4 ("));
    }
}
