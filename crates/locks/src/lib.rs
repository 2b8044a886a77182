//! The ordered lock table of one block: access sets in, an order of execution out.
//!
//! A block's order is decided before it is executed. Transactions that touch different things may run at once; those that
//! touch the same thing, and not in a way that commutes, must run in the block's order. This crate says who must wait for
//! whom. It has no threads, no clock and no state: others wait.
//!
//! - An [`AccessSet`] is what one transaction touches: [`Key`]s, each in a [`Mode`].
//! - A [`LockTable`] takes transactions in block order and names, for each, the few older ones that it must wait for. It
//!   knows what has finished, so its memory follows what is under way and not the block.
//! - A [`ConflictGraph`] is the same relation for a whole block after the fact: its critical path bounds every schedule.
//!
//! ```
//! use lockstep_locks::{LockId, LockTable, Mode, TxIndex};
//!
//! let (alice, pool) = (LockId(0), LockId(1));
//! let mut table = LockTable::default();
//! table.grow(2);
//!
//! let mut ticket = |tx, locks: &[_]| {
//!     let mut waits = Vec::new();
//!     table.ticket(TxIndex(tx), locks, TxIndex(0), &mut waits);
//!     waits
//! };
//! assert_eq!(ticket(0, &[(alice, Mode::Delta), (pool, Mode::Shared)]), []);
//! assert_eq!(ticket(1, &[(alice, Mode::Delta)]), [], "additions commute");
//! assert_eq!(ticket(2, &[(pool, Mode::Exclusive)]), [TxIndex(0)]);
//! assert_eq!(ticket(3, &[(pool, Mode::Exclusive)]), [TxIndex(2)], "and so for 0, which 2 waits for");
//! ```
//!
//! Waits only ever go from younger to older, so there is no deadlock, whatever callers predict.

#![no_std]

extern crate alloc;

mod access;
mod escapes;
mod graph;
mod places;
mod table;
mod waits;

pub use access::{AccessSet, Key, Mode};
pub use graph::{ConflictGraph, CriticalPath};
pub use lockstep_primitives::TxIndex;
pub use table::{LockId, LockTable, MAX_FAN};
