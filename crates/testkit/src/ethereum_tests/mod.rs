//! The official Ethereum state and block tests, run by `lockstep-stf` or by whatever claims to equal it.
//!
//! Data: `$LOCKSTEP_DATA/ethereum-tests`. Each file is run whole, under the OP fork that contains the Ethereum
//! fork: Cancun as Ecotone, Prague as Isthmus, Osaka as Karst. Every mismatch is a failure: state root (computed with
//! `alloy-trie`), logs, and for blocks the whole header by its hash.
//!
//! OP rules differ from Ethereum's. Where the difference is a sum of money, it is *undone exactly*, and a test
//! still fails if the sum is off by a wei:
//!
//! - the base fee is not burnt but paid to the `BaseFeeVault` (OP specification, "Fee Vaults"): the vault must
//!   have gained exactly base fee x gas used, which is taken out again;
//! - withdrawals of validators do not exist (Canyon): they are credited after execution is done.
//!
//! Where the difference is a feature, a test that needs the feature is *left out by rule*: the rule looks at the
//! test's content, never at its name, and the [`Report`] says how many tests each rule left out. A block that must be
//! invalid because of such a rule is counted the same way.
//!
//! A block is judged as an OP Stack client does: its header is derived again from parent, inputs and execution,
//! and must have the same hash.

mod blocks;
mod fixture;
pub mod mainnet;
mod report;
mod rules;
mod states;
mod tree;
mod world;

pub use report::Report;
pub use world::World;

use std::path::{Path, PathBuf};

use alloy_consensus::transaction::Recovered;
use lockstep_stf::{BlockBuilder, Draft, Dropped, Executed, PushError, Rules, StfError};
use op_alloy_consensus::OpTxEnvelope;
use revm::database::WrapDatabaseRef;

use crate::real;

const STATES: &[&str] = &["state-sample"];
const BLOCKS: &[&str] = &["blocks", "blockchain-sample"];

/// Executes a block on a state: system calls, then the transactions of users, in order. What
/// [`BlockBuilder::push`] rejects is in [`Executed::dropped`] instead, and the others go on.
pub type Execute<'a> =
    dyn Fn(&World, &Rules, Draft, &[Recovered<OpTxEnvelope>]) -> Result<Executed, StfError> + Sync + 'a;

/// Runs the state tests; `None` if `LOCKSTEP_DATA` is not set.
///
/// # Panics
/// If the files are missing or broken.
#[must_use]
pub fn state_tests(execute: &Execute<'_>) -> Option<Report> {
    run(STATES, |path, report| states::run_file(path, execute, report))
}

/// Runs the block tests; `None` if `LOCKSTEP_DATA` is not set.
///
/// # Panics
/// If the files are missing or broken.
#[must_use]
pub fn block_tests(execute: &Execute<'_>) -> Option<Report> {
    run(BLOCKS, |path, report| blocks::run_file(path, execute, report))
}

/// [`Execute`] by `lockstep-stf` itself.
///
/// # Errors
/// As [`BlockBuilder`].
pub fn by_stf(
    world: &World,
    rules: &Rules,
    draft: Draft,
    txs: &[Recovered<OpTxEnvelope>],
) -> Result<Executed, StfError> {
    let mut builder = BlockBuilder::from_draft(WrapDatabaseRef(world), rules, draft)?;
    let mut dropped = Vec::new();
    for (index, tx) in txs.iter().enumerate() {
        match builder.push(tx.clone()) {
            Ok(_) => {}
            Err(PushError::Rejected(reason)) => {
                dropped.push(Dropped { index, hash: tx.inner().tx_hash(), reason });
            }
            Err(PushError::Fatal(error)) => return Err(error),
        }
    }
    Ok(Executed { dropped, ..builder.finish()? })
}

fn run(folders: &[&str], file: impl Fn(&Path, &mut Report) + Sync) -> Option<Report> {
    let root = real::data()?.join("ethereum-tests");
    let files: Vec<PathBuf> = folders.iter().flat_map(|folder| json_files(&root.join(folder))).collect();
    assert!(!files.is_empty(), "LOCKSTEP_DATA is set, but {} holds no tests", root.display());
    Some(report::over(&files, file))
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in folder.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            files.extend(json_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn official_tests_pass_by_plain_revm_under_the_rules_of_ethereum() {
        let (Some(states), Some(blocks)) =
            (mainnet::state_tests(&mainnet::by_revm), mainnet::block_tests(&mainnet::by_revm))
        else {
            return real::say("official Ethereum tests: left out, LOCKSTEP_DATA is not set");
        };
        real::say(&format!("official Ethereum state tests by Ethereum's rules: {states}"));
        real::say(&format!("official Ethereum block tests by Ethereum's rules: {blocks}"));
        assert!(states.failures.is_empty() && blocks.failures.is_empty());
    }
}
