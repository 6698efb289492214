//! Commands that this monitor does not have yet, with or without the service that they belong to.

use crate::effect::CommandReply;
use crate::operation::Errno;

/// The refusal of a command, by the module that the command table gives.
pub(crate) fn refusal(prefix: &str, module: &str, for_mgr: bool) -> CommandReply {
    let text = match missing_service(module) {
        _ if for_mgr => format!("'{prefix}' is served by ceph-mgr, and none is active"),
        Some(service) => format!("'{prefix}' is not supported: this monitor has no {service} service yet"),
        None => format!("'{prefix}' is not supported by this monitor yet"),
    };
    CommandReply::refused(Errno::EOPNOTSUPP, text)
}

/// The service that a module's commands need and that is not here; none where it is here and lacks the command.
fn missing_service(module: &str) -> Option<&'static str> {
    Some(match module {
        "osd" | "pg" => "osdmap",
        "mds" | "fs" => "fsmap",
        "mgr" => "mgrmap",
        "config" => "configuration",
        _ => return None,
    })
}
