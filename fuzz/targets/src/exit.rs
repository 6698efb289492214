//! Why the daemon ends, as far as a command line is a reason: its own file would bring the store along.

#[derive(Debug)]
pub(crate) enum Exit {
    Usage,
}

#[derive(Debug)]
#[allow(dead_code, reason = "shown when a target fails")]
pub(crate) struct Failed(Exit, String);

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self(exit, message.to_string())
    }
}
