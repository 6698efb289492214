//! Commands of services that this monitor does not have yet.

use crate::effect::CommandReply;
use crate::operation::Errno;

/// The refusal of a command, by the module that the command table gives.
pub(crate) fn refusal(prefix: &str, module: &str, for_mgr: bool) -> CommandReply {
    let text = if for_mgr {
        format!("'{prefix}' is served by ceph-mgr, and none is active")
    } else {
        format!("'{prefix}' is not supported: this monitor has no {} service yet", service_of(module))
    };
    CommandReply::refused(Errno::EOPNOTSUPP, text)
}

fn service_of(module: &str) -> &str {
    match module {
        "osd" | "pg" => "osdmap",
        "mds" | "fs" => "fsmap",
        "mgr" => "mgrmap",
        "config" => "configuration",
        other => other,
    }
}
