//! Commands as clients send them, and the descriptions that they are checked against.

use std::sync::LazyLock;

use mon_core::command::signature::Signature;
use mon_core::command::table::Table;
use mon_types::release::Release;

static TABLE: LazyLock<&Table> = LazyLock::new(|| Table::for_release(Release::Tentacle));

/// The JSON text of a command.
pub(crate) fn command(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok((desc, arguments)) = TABLE.validate(text) {
        assert!(!desc.signature.prefix().is_empty());
        // Reading any argument in any way gives something or nothing.
        for param in ["prefix", "name", "key", "val", "ids", "entity", "caps", "weight"] {
            let _ = (arguments.text(param), arguments.texts(param), arguments.int(param));
            let _ = (arguments.float(param), arguments.switch(param));
        }
    }
}

/// A peer's table of commands, or one signature.
pub(crate) fn signature(input: &[u8]) {
    let _ = Table::from_sharing(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(signature) = Signature::parse(text) {
        assert!(!signature.prefix().is_empty());
    }
}
