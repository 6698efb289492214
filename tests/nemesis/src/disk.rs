//! A small disk for every monitor: a file system of its own that can be full, and can stand still.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use moncluster_wait as wait;
use rustix::fs::FallocateFlags;

/// A mounted file system.
#[derive(Debug)]
pub(crate) struct Disk {
    mount: PathBuf,
    /// Whether it is one that can be frozen.
    freezes: bool,
}

const SIZE_MB: u64 = 64;
/// How long a slow disk stands still, and how long it works between that.
const STILL: Duration = Duration::from_millis(250);
const WORKS: Duration = Duration::from_millis(50);

impl Disk {
    /// An ext4 in a file, or where loop devices cannot be had, one in memory.
    pub(crate) fn make(mount: &Path) -> Result<Self> {
        fs::create_dir_all(mount)?;
        let image = mount.with_extension("img");
        let file = File::create(&image)?;
        file.set_len(SIZE_MB << 20)?;
        let freezes =
            run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-O", "^has_journal"]).arg(&image))
                .and_then(|()| run(Command::new("mount").args(["-o", "loop,noatime"]).arg(&image).arg(mount)))
                .is_ok();
        if !freezes {
            fs::remove_file(&image)?;
            let size = format!("size={SIZE_MB}m");
            run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(mount))?;
        }
        Ok(Self { mount: mount.to_owned(), freezes })
    }

    /// Whether it can be made slow.
    pub(crate) fn freezes(&self) -> bool {
        self.freezes
    }

    fn filler(&self) -> PathBuf {
        self.mount.join("filler")
    }

    /// Fills it to the last byte: true when a write was then refused for lack of space.
    pub(crate) fn fill(&self) -> Result<bool> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        let mut chunk = 1 << 20;
        while chunk >= 4096 {
            let length = filler.metadata()?.len();
            match rustix::fs::fallocate(&filler, FallocateFlags::empty(), length, chunk) {
                Ok(()) => {}
                Err(rustix::io::Errno::NOSPC) => chunk /= 2,
                Err(error) => return Err(error).context("cannot fill a disk"),
            }
        }
        let refused = filler.write_all(&[0; 8192]).and_then(|()| filler.sync_all());
        Ok(matches!(refused, Err(error) if error.kind() == io::ErrorKind::StorageFull))
    }

    /// Frees what `fill` took.
    pub(crate) fn free(&self) -> Result<()> {
        match fs::remove_file(self.filler()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).context("cannot free a disk"),
            _ => Ok(()),
        }
    }

    /// Makes every write wait most of the time, until the result is dropped.
    pub(crate) fn slow(&self) -> Slow {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, mount) = (Arc::clone(&stop), self.mount.clone());
        let thread = std::thread::spawn(move || -> Result<u32> {
            let mut times = 0;
            while !ended.load(Ordering::Relaxed) {
                run(Command::new("fsfreeze").arg("-f").arg(&mount))?;
                wait::hold(STILL);
                run(Command::new("fsfreeze").arg("-u").arg(&mount))?;
                times += 1;
                wait::hold(WORKS);
            }
            Ok(times)
        });
        Slow { mount: self.mount.clone(), stop, thread: Some(thread) }
    }

    /// How long a small synced write takes now.
    pub(crate) fn write_takes(&self) -> Result<Duration> {
        let start = Instant::now();
        let mut file = File::create(self.mount.join("probe"))?;
        file.write_all(b"x")?;
        file.sync_all()?;
        Ok(start.elapsed())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still uses it ends with us, and the mount with our mount namespace.
        let _ = run(Command::new("umount").arg("-l").arg(&self.mount));
    }
}

/// A disk that is slow.
#[derive(Debug)]
pub(crate) struct Slow {
    mount: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u32>>>,
}

impl Slow {
    /// Ends it; how often the disk stood still.
    pub(crate) fn end(mut self) -> Result<u32> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(times)) => times,
            Some(Err(_)) => bail!("the thread that freezes a disk panicked"),
            None => Ok(0),
        }
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.store(true, Ordering::Relaxed);
            let _ = thread.join();
            let _ = run(Command::new("fsfreeze").arg("-u").arg(&self.mount));
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
