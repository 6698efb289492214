//! A tar archive whose bytes depend on names and contents alone (POSIX.1-1988 ustar).

const BLOCK: usize = 512;

/// An archive that is being written. Add folders before what is in them.
#[derive(Debug, Default)]
pub(super) struct Tar(Vec<u8>);

/// What an entry is, by the letter of the format.
#[derive(Debug, Clone, Copy)]
enum Kind {
    File = b'0' as isize,
    Link = b'2' as isize,
    Folder = b'5' as isize,
}

impl Tar {
    /// Adds a folder.
    pub(super) fn folder(&mut self, name: &str) {
        self.header(&format!("{name}/"), Kind::Folder, 0o755, 0, "");
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, name: &str, target: &str) {
        self.header(name, Kind::Link, 0o777, 0, target);
    }

    /// Adds a file.
    pub(super) fn file(&mut self, name: &str, content: &[u8], mode: u32) {
        self.header(name, Kind::File, mode, content.len(), "");
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
    }

    /// The archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }

    fn header(&mut self, name: &str, kind: Kind, mode: u32, size: usize, target: &str) {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        // All names here are our own, and short.
        assert!(name.len() < 100 && target.len() < 100, "{name}: too long for this format");
        put(0, name.as_bytes());
        put(100, format!("{mode:07o}").as_bytes());
        put(108, b"0000000");
        put(116, b"0000000");
        put(124, format!("{size:011o}").as_bytes());
        put(136, b"00000000000");
        put(148, b"        ");
        put(156, &[kind as u8]);
        put(157, target.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_system_reads_it() {
        let mut tar = Tar::default();
        tar.folder("etc");
        tar.file("etc/passwd", b"root:x:0:0::/:\n", 0o644);
        tar.link("lib", "usr/lib");
        let mut list = Command::new("tar");
        let mut list = list
            .args(["-tvf", "-"])
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        list.stdin.take().unwrap().write_all(&tar.finish()).unwrap();
        let said = String::from_utf8(list.wait_with_output().unwrap().stdout).unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 3, "{said}");
        assert!(lines[0].starts_with("drwxr-xr-x") && lines[0].ends_with("etc/"));
        assert!(lines[1].starts_with("-rw-r--r--") && lines[1].contains(" 15 1970-01-01"));
        assert!(lines[2].ends_with("lib -> usr/lib"));
    }
}
