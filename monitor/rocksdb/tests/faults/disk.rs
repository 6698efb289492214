//! A disk of which a power cut leaves only what must be there, or anything between that and everything.
//!
//! The rules are those that a program may rely on, and no kinder:
//! * data is durable once a sync of its file, which began after the write, has ended;
//! * names (made, renamed, removed) are durable once a sync of their folder has ended. Names that are not may have
//!   reached the disk in the order in which they were made (a journal), up to any point;
//! * data that is not durable may be there or not, sector by sector, in any order; what is not there reads as zeros, as
//!   rubbish, or the file ends before it.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt};

use crate::folder::Files;
use crate::recording::Call;

/// What a disk writes at once, whatever happens.
pub(crate) const SECTOR: usize = 512;

/// See the module documentation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    files: Vec<File>,
    /// As a process sees them now, and as they are durable: path to index in `files`, none for folders.
    names: Names,
    durable_names: Names,
    /// Changes of names that are not durable.
    pending_names: Vec<NameChange>,
    /// What syncs that have begun will make durable: the file and how many of its changes, or a folder.
    syncs: BTreeMap<usize, Sync>,
}

type Names = BTreeMap<String, Option<usize>>;

/// A file's content, whatever its name.
#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// How many changes became durable, ever: `pending` starts behind them.
    settled: usize,
    length: u64,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    SetLength(u64),
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(String, Option<usize>),
    Remove(String),
    Rename(String, String),
}

#[derive(Debug, Clone)]
enum Sync {
    File(usize, usize),
    Folder(Vec<NameChange>),
}

/// Which of the names that are not durable are there after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamesLeft {
    None,
    First(usize),
    All,
}

/// What is where un-synced data was lost inside of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hole {
    /// The file ends before it.
    End,
    Zeros,
    Rubbish,
}

/// What a cut leaves: content by path, none for a folder.
pub(crate) type Left = Files;

impl Disk {
    /// Carries out a call.
    pub(crate) fn play(&mut self, call: &Call) {
        match call {
            Call::Open { path, empties } => match self.names.get(path) {
                Some(Some(file)) if *empties => self.files[*file].change(Change::SetLength(0)),
                Some(_) => {}
                None => {
                    self.files.push(File::default());
                    self.rename(NameChange::Add(path.clone(), Some(self.files.len() - 1)));
                }
            },
            Call::Append { path, data } => {
                let Some(file) = self.file(path) else { return };
                let offset = file.length;
                file.change(Change::Write { offset, data: data.clone() });
            }
            Call::WriteAt { path, data, offset } => {
                let Some(file) = self.file(path) else { return };
                file.change(Change::Write { offset: *offset, data: data.clone() });
            }
            Call::SetLength { path, length } => {
                let Some(file) = self.file(path) else { return };
                file.change(Change::SetLength(*length));
            }
            Call::SyncBegins { number, path } => {
                let sync = match self.names.get(path) {
                    Some(Some(file)) => Sync::File(*file, self.files[*file].changes()),
                    // The root, which has no name, or a folder in it.
                    Some(None) | None => {
                        let of_folder = self.pending_names.iter().filter(|change| change.folder() == path);
                        Sync::Folder(of_folder.cloned().collect())
                    }
                };
                self.syncs.insert(*number, sync);
            }
            Call::SyncEnds { number } => match self.syncs.remove(number) {
                Some(Sync::File(file, changes)) => self.files[file].settle(changes),
                Some(Sync::Folder(changes)) => {
                    // Whatever was made durable meanwhile is so already: the order within a folder stays.
                    let count = changes.len();
                    let folder = changes.first().map(|change| change.folder().to_owned());
                    let mut left = count;
                    let pending = std::mem::take(&mut self.pending_names);
                    for change in pending {
                        if left > 0 && Some(change.folder()) == folder.as_deref() {
                            left -= 1;
                            change.apply(&mut self.durable_names);
                        } else {
                            self.pending_names.push(change);
                        }
                    }
                }
                None => {}
            },
            Call::Rename { from, to } => self.rename(NameChange::Rename(from.clone(), to.clone())),
            Call::Remove { path } | Call::RemoveFolder { path } => {
                self.rename(NameChange::Remove(path.clone()));
            }
            Call::MakeFolder { path } => self.rename(NameChange::Add(path.clone(), None)),
            Call::Said(_) => {}
        }
    }

    fn file(&mut self, path: &str) -> Option<&mut File> {
        let file = self.names.get(path)?.as_ref()?;
        Some(&mut self.files[*file])
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    /// How many changes of names a cut may undo.
    pub(crate) fn names_pending(&self) -> usize {
        self.pending_names.len()
    }

    /// What is there when the process dies and the machine does not.
    pub(crate) fn all(&self) -> Left {
        self.left(NamesLeft::All, |file| file.with(usize::MAX))
    }

    /// Nothing that does not have to be there.
    pub(crate) fn only_durable(&self, names: NamesLeft) -> Left {
        self.left(names, |file| file.durable.clone())
    }

    /// The last write to a file got to the disk up to some byte, all before it did; of other files everything is
    /// there, or only what must be.
    pub(crate) fn torn(&self, path: &str, keep: usize, hole: Hole, others: bool) -> Left {
        let torn = self.names.get(path).copied().flatten();
        let mut left = self.left(NamesLeft::All, |file| match others {
            true => file.with(usize::MAX),
            false => file.durable.clone(),
        });
        let Some(file) = torn.map(|torn| &self.files[torn]) else { return left };
        let Some((Change::Write { offset, data }, before)) = file.pending.split_last() else { return left };
        let mut content = file.with(before.len());
        let mut part = data[..keep].to_vec();
        match hole {
            Hole::End => {}
            Hole::Zeros => part.resize(data.len(), 0),
            Hole::Rubbish => part.extend((keep..data.len()).map(|at| (at * 31 + 7) as u8)),
        }
        write(&mut content, *offset, &part);
        left.insert(path.to_owned(), Some(content));
        left
    }

    /// Sectors and names that happened to get there.
    pub(crate) fn scattered(&self, rng: &mut impl Rng) -> Left {
        let names = NamesLeft::First(rng.random_range(0..=self.pending_names.len()));
        let share = rng.random_range(0.1..0.95);
        let longer = rng.random_bool(0.5);
        let mut pick = || rng.random_bool(share);
        self.left(names, |file| file.scattered(longer, &mut pick))
    }

    fn left(&self, names: NamesLeft, mut content: impl FnMut(&File) -> Vec<u8>) -> Left {
        let mut there = self.durable_names.clone();
        let count = match names {
            NamesLeft::None => 0,
            NamesLeft::First(count) => count,
            NamesLeft::All => self.pending_names.len(),
        };
        self.pending_names.iter().take(count).for_each(|change| change.apply(&mut there));
        let folders: BTreeSet<String> =
            there.iter().filter(|(_, file)| file.is_none()).map(|(path, _)| path.clone()).collect();
        let reachable = |path: &str| folder_of(path).is_empty() || folders.contains(folder_of(path));
        there
            .iter()
            .filter(|(path, _)| reachable(path))
            .map(|(path, file)| (path.clone(), file.map(|file| content(&self.files[file]))))
            .collect()
    }

    /// The size of the last write to a file, if it is not durable.
    pub(crate) fn last_write(&self, path: &str) -> Option<(u64, usize)> {
        let file = self.names.get(path).copied().flatten()?;
        match self.files[file].pending.last()? {
            Change::Write { offset, data } => Some((*offset, data.len())),
            Change::SetLength(_) => None,
        }
    }
}

impl File {
    fn change(&mut self, change: Change) {
        self.length = match &change {
            Change::Write { offset, data } => self.length.max(offset + data.len() as u64),
            Change::SetLength(length) => *length,
        };
        self.pending.push(change);
    }

    fn changes(&self) -> usize {
        self.settled + self.pending.len()
    }

    fn settle(&mut self, changes: usize) {
        let count = changes.saturating_sub(self.settled);
        for change in self.pending.drain(..count) {
            change.apply(&mut self.durable);
        }
        self.settled += count;
    }

    fn with(&self, count: usize) -> Vec<u8> {
        let mut content = self.durable.clone();
        self.pending.iter().take(count).for_each(|change| change.apply(&mut content));
        content
    }

    fn scattered(&self, longer: bool, pick: &mut impl FnMut() -> bool) -> Vec<u8> {
        let mut content = self.durable.clone();
        for change in &self.pending {
            let Change::Write { offset, data } = change else {
                if pick() {
                    change.apply(&mut content);
                }
                continue;
            };
            let mut at = 0;
            while at < data.len() {
                let to_boundary = SECTOR - (*offset as usize + at) % SECTOR;
                let end = (at + to_boundary).min(data.len());
                if pick() {
                    write(&mut content, offset + at as u64, &data[at..end]);
                }
                at = end;
            }
        }
        if longer {
            content.resize(content.len().max(self.length as usize), 0);
        }
        content
    }
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write(content, *offset, data),
            Self::SetLength(length) => content.resize(*length as usize, 0),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }

    fn folder(&self) -> &str {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Rename(path, _) => folder_of(path),
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn write(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    content.resize(content.len().max(end), 0);
    content[start..end].copy_from_slice(data);
}
