//! What an operation does next, from what is there. No step relies on the one before having been seen to end:
//! whoever reads `status.operation` can go on with it.

mod add;
mod bootstrap;
mod leaver;
mod newcomer;
mod readdress;
mod remove;
mod replace;
mod restart;
mod step_down;

use std::time::Duration;

use moncluster_api::{Operation, OperationKind, OperationResult, Step};

use crate::decision::Reason;
use crate::planner::{Choice, Planner};

pub(crate) use self::replace::{DRAIN, SPREAD};

pub(crate) fn proceed(p: &mut Planner<'_>) -> Option<Choice> {
    let operation = p.status.operation.clone()?;
    Some(match operation.kind {
        OperationKind::Bootstrap => bootstrap::next(p, &operation),
        OperationKind::Add => add::next(p, &operation),
        OperationKind::Remove => remove::next(p, &operation),
        OperationKind::Replace => replace::next(p, &operation),
        OperationKind::Readdress => readdress::next(p, &operation),
        OperationKind::Restart => restart::next(p, &operation),
        OperationKind::StepDown => step_down::next(p, &operation),
        // Adopting is one write of the status; an operation of this kind is only ever history.
        OperationKind::Adopt => {
            p.finish(OperationResult::Succeeded, Reason::Adopted, "members are known".into())
        }
    })
}

/// After the map has changed there is no way back: what comes next does not wait for ever.
fn confirm_is_late(p: &Planner<'_>, operation: &Operation) -> bool {
    let since = if operation.step < Step::Confirm { p.now() } else { operation.step_time };
    p.now().since(since) >= CONFIRM_MAX
}

const CONFIRM_MAX: Duration = Duration::from_secs(60);
