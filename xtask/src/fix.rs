//! What machines can mend.

use crate::gate::cargo;
use crate::report::Report;

/// Applies lint suggestions, then formats.
pub(crate) fn fix(report: &mut Report) {
    report.step(
        "lint suggestions",
        cargo().args(["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"]),
    );
    report.step("format", cargo().args(["fmt", "--all"]));
}
