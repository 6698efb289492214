//! What happened, as a hash for comparing runs and as text for reading one.

use std::time::Duration;

/// A run's record.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// A record that keeps only the hash, or text too.
    #[must_use]
    pub fn new(readable: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: readable.then(Vec::new) }
    }

    /// The hash of everything so far. Equal runs have equal ones.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The text so far.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }

    /// Whether text is kept.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.lines.is_some()
    }

    /// Mixes a number into the hash.
    pub fn mix(&mut self, word: u64) {
        // FNV-1a over words, with a rotation so that high bits matter too.
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }

    /// Mixes bytes into the hash.
    pub fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
        self.mix(bytes.len() as u64);
    }

    /// Adds a line of text, made only if somebody reads it.
    pub fn line(&mut self, at: Duration, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>12.6} {}", at.as_secs_f64(), text()));
        }
    }
}
