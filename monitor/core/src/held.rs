//! How many bytes of input operations hold, wherever they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<AtomicUsize>);

/// One operation's part, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Held,
    bytes: usize,
}

impl Held {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn hold(&self, bytes: usize) -> Hold {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        Hold { held: self.clone(), bytes }
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.held.hold(self.bytes)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
