//! Where things are.

use std::path::{Path, PathBuf};

/// The workspace's top folder.
pub(crate) fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// What is kept between runs and clones: `$XDG_CACHE_HOME/moncluster`, by default under `~/.cache`.
pub(crate) fn cache() -> PathBuf {
    let base = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) if !cache.is_empty() => PathBuf::from(cache),
        (_, Some(home)) => PathBuf::from(home).join(".cache"),
        (_, None) => std::env::temp_dir(),
    };
    base.join("moncluster")
}

/// Where cargo puts what it builds in the dev profile.
pub(crate) fn target() -> PathBuf {
    target_of("dev")
}

/// Where cargo puts what it builds in a profile.
pub(crate) fn target_of(profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from);
    target.join(if profile == "dev" { "debug" } else { profile })
}
