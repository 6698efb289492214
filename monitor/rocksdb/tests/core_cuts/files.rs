//! The files of a store that is in use.

use std::path::Path;

use crate::folder::{self, Files};

/// What a store's folder holds; RocksDB's notes for people are left out. A store that was just opened may still be
/// deleting and merging files: it is looked at until nothing changes between two looks.
pub(crate) fn take(data: &Path) -> Files {
    let mut last = None;
    for _ in 0..10_000 {
        let mut seen = folder::take(data).ok();
        seen.iter_mut()
            .for_each(|files| files.retain(|path, content| content.is_none() || !path.contains("/LOG")));
        match seen {
            Some(files) if last.as_ref() == Some(&files) => return files,
            seen => last = seen,
        }
        std::thread::yield_now();
    }
    panic!("the files of {} do not come to rest", data.display());
}
