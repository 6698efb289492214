//! Folders of stores, taken and put back.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What a folder holds: content by path, none for a folder.
pub(crate) type Files = BTreeMap<String, Option<Vec<u8>>>;

/// Where stores are opened by the thousand: in memory, where the system has a place for that.
pub(crate) fn scratch(prefix: &str) -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix(prefix).tempdir_in(folder).unwrap()
}

/// Makes a folder hold exactly this.
pub(crate) fn put(files: &Files, folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
    std::fs::create_dir_all(folder).unwrap();
    // Folders sort before what is in them.
    for (path, content) in files {
        match content {
            None => std::fs::create_dir(folder.join(path)).unwrap(),
            Some(content) => std::fs::write(folder.join(path), content).unwrap(),
        }
    }
}

/// What a folder holds. An error when a file goes between being listed and being read.
pub(crate) fn take(folder: &Path) -> io::Result<Files> {
    fn walk(folder: &Path, below: &str, files: &mut Files) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.file_type()?.is_dir() {
                walk(&entry.path(), &format!("{path}/"), files)?;
                files.insert(path, None);
            } else {
                files.insert(path, Some(std::fs::read(entry.path())?));
            }
        }
        Ok(())
    }
    let mut files = Files::new();
    walk(folder, "", &mut files)?;
    Ok(files)
}
