//! Real blocks of an OP Stack chain (Jovian), executed again: every header must come out with its hash.
//!
//! Data: `$LOCKSTEP_DATA/l2-blocks`, the blocks with the accounts that they touch; unset, the run says that they
//! were left out. The state root and the `L2ToL1MessagePasser`'s storage root are taken from the header, since
//! a part of the state has no root; gas, receipts root, logs bloom, transactions root and all else are derived.
#![allow(clippy::unwrap_used, missing_docs)]

use alloy_consensus::{
    Header,
    transaction::{Recovered, SignerRecoverable},
};
use lockstep_primitives::OpTxEnvelope;
use lockstep_stf::BlockBuilder;
use lockstep_testkit::real::{L2, RealL2Block, say};

#[test]
fn real_blocks_come_out_with_their_hashes() {
    let Some(blocks) = L2::open() else {
        return say("real L2 blocks: left out, LOCKSTEP_DATA is not set");
    };
    blocks.blocks().for_each(execute);
    say(&format!("real L2 blocks: {} passed", blocks.numbers().len()));
}

fn execute(block: RealL2Block) {
    let mut builder = BlockBuilder::from_draft(block.state.clone(), &block.rules, block.draft()).unwrap();
    for (index, tx) in block.transactions.into_iter().enumerate() {
        let sender = tx.signer();
        let outcome = match tx.into_inner() {
            OpTxEnvelope::Deposit(deposit) => builder.force(deposit),
            user => {
                assert_eq!(user.recover_signer().ok(), Some(sender), "sender of transaction {index}");
                builder.push(Recovered::new_unchecked(user, sender))
            }
        };
        outcome.unwrap_or_else(|error| panic!("transaction {index}: {error:?}"));
    }
    let Header { state_root, withdrawals_root, .. } = block.header;
    let sealed = builder.finish().unwrap().seal(state_root, withdrawals_root.unwrap());
    assert_eq!(sealed.header, block.header);
    assert_eq!(sealed.hash, block.header.hash_slow());
}
