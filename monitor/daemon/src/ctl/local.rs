//! Finding a monitor of this machine by the files in which they say where their endpoints are.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::CtlError;
use crate::http::address_file::ENDING;

/// Nothing on this machine takes longer to accept a connection, unless it is stopped.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The URL of the first monitor, by name, that listens; or of the one that is named.
pub(super) fn find(run_dir: &Path, mon: Option<&str>) -> Result<String, CtlError> {
    let wanted = mon.map(|name| format!("mon.{}", name.strip_prefix("mon.").unwrap_or(name)));
    let who = wanted.clone().unwrap_or_else(|| "monitor".into());
    let none = || CtlError::NoneHere { who: who.clone(), folder: run_dir.display().to_string() };
    let entries = std::fs::read_dir(run_dir).map_err(|_| none())?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_wanted = wanted.as_deref().is_none_or(|name| {
            stem.strip_suffix(name).is_some_and(|cluster| cluster.is_empty() || cluster.ends_with('-'))
        });
        path.extension().is_some_and(|ending| ending == ENDING) && is_wanted
    });
    files.sort();
    let urls = files.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    // A monitor that was killed leaves its file behind.
    urls.map(|text| text.trim().to_owned()).find(|url| listens(url)).ok_or_else(none)
}

fn listens(url: &str) -> bool {
    let address = url.split_once("://").and_then(|(_, address)| address.parse::<SocketAddr>().ok());
    address.is_some_and(|address| TcpStream::connect_timeout(&address, ANSWER_WITHIN).is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_monitor_that_listens_is_found_by_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let say = |name: &str, address: &str| {
            std::fs::write(folder.path().join(name), format!("http://{address}\n")).unwrap();
        };
        let find = |mon| find(folder.path(), mon).map_err(|error| error.to_string());
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let (b, ba) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        say("ceph-mon.a.http", &gone);
        say("ceph-mon.a.asok", "no endpoint");
        assert!(find(None).unwrap_err().contains("--url"));
        say("ceph-mon.b.http", &b.local_addr().unwrap().to_string());
        say("ceph-mon.ba.http", &ba.local_addr().unwrap().to_string());
        assert_eq!(find(None), Ok(url(&b)));
        assert_eq!((find(Some("ba")), find(Some("mon.b"))), (Ok(url(&ba)), Ok(url(&b))));
        assert!(find(Some("a")).unwrap_err().starts_with("no mon.a "), "it is gone");
        assert!(super::find(Path::new("/nowhere"), None).is_err());
    }
}
