//! The hand-over of locks and the commit cursor under a model checker: `src/parallel/{handover,board}.rs`, compiled once more
//! with [`sync`] in place of the real primitives, played by workers as `src/parallel/{worker,engine,retire}.rs` have them.
//!
//! Every schedule is random, of a fixed number, and a failing one is printed for `shuttle::replay`. The model is
//! sequentially consistent: it finds wrong protocols, not wrong memory orderings.

#![allow(missing_docs)]

#[allow(dead_code, unreachable_pub)]
#[path = "../../src/parallel/board.rs"]
mod board;
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/parallel/handover.rs"]
mod handover;
mod play;
mod sync;

/// What the board carries and the model does not look at.
mod reads {
    #[derive(Debug, Default)]
    pub(crate) struct Grants;
    #[derive(Debug, Default)]
    pub(crate) struct Footprint;
}

mod view {
    #[derive(Debug, Default)]
    pub(crate) enum Hashing {
        #[default]
        Plain,
    }
}

use lockstep_executor::{LockMode, Outcome};
use play::{Block, check};

const EXCLUSIVE: LockMode = LockMode::Exclusive;
const SHARED: LockMode = LockMode::Shared;

/// A ring shorter than the block: places on the board are used again while late workers still know their old owners.
#[test]
fn a_place_that_is_used_again_is_not_mistaken_for_its_old_owner() {
    check(&Block { window: 2, ..Block::new(&[&[], &[], &[], &[], &[]]) }, 3);
}

#[test]
fn a_chain_is_handed_from_worker_to_worker() {
    check(&Block::new(&[&[(0, EXCLUSIVE)], &[(0, EXCLUSIVE)], &[(0, EXCLUSIVE)], &[(0, EXCLUSIVE)]]), 3);
}

#[test]
fn a_chain_may_be_longer_than_the_board() {
    let link: &[(u32, LockMode)] = &[(0, EXCLUSIVE)];
    check(&Block { window: 2, ..Block::new(&[link; 5]) }, 3);
}

#[test]
fn a_writer_starts_when_the_last_of_its_readers_is_done() {
    let block =
        Block::new(&[&[(0, SHARED)], &[(0, SHARED)], &[(0, EXCLUSIVE), (1, EXCLUSIVE)], &[(0, SHARED)]]);
    check(&Block { window: 3, ..block }, 3);
}

#[test]
fn all_readers_of_a_writer_are_released() {
    check(&Block::new(&[&[(0, EXCLUSIVE)], &[(0, SHARED)], &[(0, SHARED)], &[(0, SHARED)]]), 3);
}

#[test]
fn a_transaction_of_many_waits_starts_once() {
    let own: [&[(u32, LockMode)]; 3] = [&[(0, EXCLUSIVE)], &[(1, EXCLUSIVE)], &[(2, EXCLUSIVE)]];
    check(&Block::new(&[own[0], own[1], own[2], &[(0, EXCLUSIVE), (1, EXCLUSIVE), (2, EXCLUSIVE)]]), 4);
}

#[test]
fn one_that_escapes_runs_again_after_whom_it_met() {
    let block = Block::new(&[&[(0, EXCLUSIVE)], &[], &[(1, EXCLUSIVE)], &[(0, EXCLUSIVE), (1, EXCLUSIVE)]]);
    check(&Block { window: 3, escapes: vec![(1, 0), (2, 0)], ..block }, 3);
}

#[test]
fn one_that_runs_at_its_turn_holds_up_only_those_behind_it() {
    let block = Block::new(&[&[], &[(0, EXCLUSIVE)], &[(0, EXCLUSIVE)], &[]]);
    check(&Block { window: 2, at_turn: vec![1], ..block }, 3);
}
