//! What a process did to its files, call by call, as `strace` saw it.
//!
//! The program itself runs unchanged: RocksDB's own threads, its own order of writes, syncs and renames. Whatever it
//! did is then played into a [`Disk`](crate::disk::Disk), which can be cut off after every call. That the play is
//! faithful is checked: in the end the played files must be the real ones, byte by byte.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A call that matters to what a power cut leaves, in the order of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    /// A file was made, or found (`empties` says whether it was emptied).
    Open {
        path: String,
        empties: bool,
    },
    Append {
        path: String,
        data: Vec<u8>,
    },
    WriteAt {
        path: String,
        data: Vec<u8>,
        offset: u64,
    },
    SetLength {
        path: String,
        length: u64,
    },
    /// A sync began; it covers what was written before. Number, then file or folder.
    SyncBegins {
        number: usize,
        path: String,
    },
    SyncEnds {
        number: usize,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    MakeFolder {
        path: String,
    },
    RemoveFolder {
        path: String,
    },
    /// What the process said on standard output: its acknowledgements.
    Said(String),
}

/// Everything that can change files. Shared writable mappings could, too, unseen: they are refused.
const CALLS: &str = "write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,syncfs,sync,msync,openat,open,creat,rename,\
    renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,ftruncate,truncate,fallocate,\
    copy_file_range,sendfile,splice,mmap";

/// Whether recording is possible here.
pub(crate) fn available() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// Runs a command and returns what it did below `root`, with paths relative to it.
pub(crate) fn record(root: &Path, command: &Command) -> Vec<Call> {
    let trace = tempfile::NamedTempFile::new().unwrap();
    let mut traced = Command::new("strace");
    traced.args(["-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "100000000", "-e", "signal=none"]);
    traced.arg("-e").arg(format!("trace={CALLS}")).arg("-o").arg(trace.path()).arg(command.get_program());
    traced.args(command.get_args());
    for (name, value) in command.get_envs() {
        traced.env(name, value.unwrap());
    }
    let output = traced.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Reader::new(root).read(&std::fs::read_to_string(trace.path()).unwrap())
}

struct Reader {
    root: String,
    /// Calls that have begun, by thread: the text so far, and its sync if it is one.
    begun: BTreeMap<u64, (String, Option<usize>)>,
    syncs: usize,
    calls: Vec<Call>,
}

impl Reader {
    fn new(root: &Path) -> Self {
        let root = root.canonicalize().unwrap().to_str().unwrap().to_owned();
        Self { root, begun: BTreeMap::new(), syncs: 0, calls: Vec::new() }
    }

    fn read(mut self, trace: &str) -> Vec<Call> {
        for line in trace.lines() {
            let (thread, text) = line.trim_start().split_once(' ').unwrap();
            let (thread, text) = (thread.parse().unwrap(), text.trim_start());
            if let Some(text) = text.strip_suffix(" <unfinished ...>") {
                // From here on the disk may have it.
                let sync = self.begin(text);
                self.begun.insert(thread, (text.to_owned(), sync));
            } else if text.starts_with("<... ") {
                let Some((begun, sync)) = self.begun.remove(&thread) else { continue };
                let rest = text.split_once(" resumed>").unwrap().1;
                self.end(&format!("{begun}{rest}"), sync);
            } else if text.contains('(') {
                let sync = self.begin(text);
                self.end(text, sync);
            }
        }
        self.calls
    }

    /// The effects that count from the beginning of a call: its data may reach the disk any time after.
    fn begin(&mut self, text: &str) -> Option<usize> {
        let (name, arguments) = text.split_once('(')?;
        let arguments = split(arguments);
        let path = || self.inside(arguments.first()?);
        match name {
            "fsync" | "fdatasync" => {
                let path = path()?;
                self.syncs += 1;
                let number = self.syncs;
                self.calls.push(Call::SyncBegins { number, path });
                return Some(number);
            }
            "write" if arguments[0].starts_with("1<") => {
                let said = String::from_utf8_lossy(&bytes(&arguments[1])).into_owned();
                self.calls.push(Call::Said(said));
            }
            "write" => {
                if let Some(path) = path() {
                    self.calls.push(Call::Append { path, data: bytes(&arguments[1]) });
                }
            }
            "pwrite64" => {
                if let Some(path) = path() {
                    let offset = number(&arguments[3]);
                    self.calls.push(Call::WriteAt { path, data: bytes(&arguments[1]), offset });
                }
            }
            _ => {}
        }
        None
    }

    /// The effects that count from the end of a call, which tells whether it worked.
    fn end(&mut self, text: &str, sync: Option<usize>) {
        let Some((name, rest)) = text.split_once('(') else { return };
        let result = rest.rsplit_once(" = ").unwrap().1.to_owned();
        if result.starts_with('-') {
            assert!(!name.contains("sync"), "a sync failed while recording: {text}");
            return;
        }
        if let Some(number) = sync {
            self.calls.push(Call::SyncEnds { number });
            return;
        }
        let arguments = split(rest);
        let call = match name {
            "write" | "pwrite64" | "fsync" | "fdatasync" => None,
            "openat" => {
                let made = arguments[2].contains("O_CREAT") || arguments[2].contains("O_TRUNC");
                let empties = arguments[2].contains("O_TRUNC");
                let path = made.then(|| self.inside(&result)).flatten();
                path.map(|path| Call::Open { path, empties })
            }
            "rename" => {
                let (from, to) = (self.named(&arguments[0]), self.named(&arguments[1]));
                from.zip(to).map(|(from, to)| Call::Rename { from, to })
            }
            "unlink" => self.named(&arguments[0]).map(|path| Call::Remove { path }),
            "unlinkat" => {
                let name = String::from_utf8(bytes(&arguments[1])).unwrap();
                let path = match self.inside(&arguments[0]) {
                    Some(folder) if !name.starts_with('/') => Some(format!("{folder}/{name}")),
                    _ => self.relative(&name),
                };
                path.map(|path| match arguments[2].contains("AT_REMOVEDIR") {
                    true => Call::RemoveFolder { path },
                    false => Call::Remove { path },
                })
            }
            "rmdir" => self.named(&arguments[0]).map(|path| Call::RemoveFolder { path }),
            "mkdir" => self.named(&arguments[0]).map(|path| Call::MakeFolder { path }),
            "ftruncate" => {
                self.inside(&arguments[0]).map(|path| Call::SetLength { path, length: number(&arguments[1]) })
            }
            // Space set aside behind the end changes nothing that can be read.
            "fallocate" if arguments[1].contains("KEEP_SIZE") => None,
            "mmap" => {
                let writes = arguments[2].contains("PROT_WRITE") && arguments[3].contains("MAP_SHARED");
                let inside = writes.then(|| self.inside(&arguments[4])).flatten();
                assert!(inside.is_none(), "a writable mapping cannot be recorded: {text}");
                None
            }
            _ => {
                let ours = arguments.iter().any(|a| self.inside(a).is_some() || self.named(a).is_some());
                assert!(!ours, "a call that the recording does not understand: {text}");
                None
            }
        };
        self.calls.extend(call);
    }

    /// The path of a descriptor (`7</path>`), if it is below the root.
    fn inside(&self, argument: &str) -> Option<String> {
        let path = argument.split_once('<')?.1.strip_suffix('>')?;
        self.relative(&String::from_utf8(unescape(path)).ok()?)
    }

    /// The path in a string argument, if it is below the root.
    fn named(&self, argument: &str) -> Option<String> {
        if !argument.starts_with('"') {
            return None;
        }
        self.relative(&String::from_utf8(bytes(argument)).ok()?)
    }

    fn relative(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.root)?;
        if rest.is_empty() {
            return Some(String::new());
        }
        // RocksDB doubles a slash here and there.
        Some(rest.strip_prefix('/')?.replace("//", "/").trim_end_matches('/').to_owned())
    }
}

/// The arguments of a call. With every byte written in hexadecimal, no comma is part of a string.
fn split(arguments: &str) -> Vec<String> {
    let end = arguments.rfind(')').unwrap_or(arguments.len());
    arguments[..end].split(", ").map(str::to_owned).collect()
}

fn bytes(argument: &str) -> Vec<u8> {
    let inner = argument.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    unescape(inner.unwrap_or_else(|| panic!("not a whole string: {argument:.80}")))
}

fn unescape(text: &str) -> Vec<u8> {
    let pairs = text.split("\\x").skip(1);
    pairs.map(|pair| u8::from_str_radix(&pair[..2], 16).unwrap()).collect()
}

fn number(argument: &str) -> u64 {
    argument.split(' ').next().unwrap().parse().unwrap()
}
