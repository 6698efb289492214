//! The planted bug of sessions, to prove that the simulator would notice.
//!
//! It works only in builds with the feature `planted-bugs`, which nothing but the simulator asks for; elsewhere
//! `replays` is the constant `false`.

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    // Per thread, because the simulator runs a world in each.
    thread_local! {
        static REPLAYS: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets a session forget what it has received when its connection breaks, in this thread.
    pub fn plant_replays(on: bool) {
        REPLAYS.set(on);
    }

    pub(crate) fn replays() -> bool {
        REPLAYS.get()
    }
}

#[cfg(not(feature = "planted-bugs"))]
mod switch {
    pub(crate) const fn replays() -> bool {
        false
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::plant_replays;
pub(crate) use switch::replays;
