//! Telling what is being done: a line for each step, and a spinner while one waits at a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// One step that takes a while.
pub(crate) struct Step {
    spinner: ProgressBar,
    what: String,
}

impl Step {
    /// Announces the step.
    pub(crate) fn start(what: impl Into<String>) -> Self {
        let what = what.into();
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            spinner.set_style(style);
        }
        spinner.set_message(what.clone());
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self { spinner, what }
    }

    /// Shows how far it is.
    pub(crate) fn update(&self, state: &str) {
        self.spinner.set_message(format!("{}: {state}", self.what));
    }

    /// The step is done.
    pub(crate) fn done(self, result: &str) {
        self.spinner.finish_and_clear();
        eprintln!("{}: {result}", self.what);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}
