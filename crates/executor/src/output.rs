//! What is left of a block when it is over.

use lockstep_locks::AccessSet;
use revm::state::bal::Bal;

use crate::{Changes, Schedule, Stats};

/// What a block did, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// What is different after the block.
    pub changes: Changes,
    /// Counts.
    pub stats: Stats,
    /// When each transaction ran, if [`Options::record_schedule`](crate::Options::record_schedule).
    pub schedule: Option<Schedule>,
    /// What each transaction touched, one set per transaction in the order of the block, if
    /// [`Options::record_access`](crate::Options::record_access).
    pub access: Option<Vec<AccessSet>>,
    /// The block access list (EIP-7928) of the transactions, of which the first that is included has index 1, if
    /// [`Options::record_access`](crate::Options::record_access). What was applied with
    /// [`Block::apply`](crate::Block::apply) is not in it.
    pub access_list: Option<Bal>,
}
