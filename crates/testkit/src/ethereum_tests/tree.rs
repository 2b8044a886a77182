//! The block tree of a test.

use std::{collections::BTreeMap, fmt};

use alloy_consensus::{Block, EthereumTxEnvelope, Header, TxEip4844};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;

use super::{
    fixture::BlockTest,
    report::{Outcome, Report},
    rules::OpRule,
    world::World,
};

/// A transaction as blocks hold it: blobs are elsewhere.
pub(super) type Tx = EthereumTxEnvelope<TxEip4844>;

/// Why a block is not in the tree.
pub(super) enum Refused {
    /// The rules do not allow it.
    Invalid(String),
    /// OP has no such blocks.
    Foreign(OpRule),
}

pub(super) fn invalid(why: &dyn fmt::Display) -> Refused {
    Refused::Invalid(why.to_string())
}

/// The rules of a chain.
pub(super) trait Chain {
    /// Derives a block again from its parent, the state after that, and what a proposer may choose: its header and
    /// the state after it.
    fn derive(&self, parent: &Header, world: &World, block: &Block<Tx>) -> Result<(Header, World), Refused>;

    /// The rule without which a block is not invalid; `expected` is the exception that the test names.
    fn missing_rule(&self, _expected: &str) -> Option<OpRule> {
        None
    }
}

/// Every block with the state after it.
struct Tree<'a> {
    chain: &'a dyn Chain,
    blocks: BTreeMap<B256, (Header, World)>,
}

/// Grows the tree of `test` block by block.
pub(super) fn run(test: &BlockTest, chain: &dyn Chain, report: &mut Report) -> Result<Outcome, String> {
    let mut tree = Tree { chain, blocks: BTreeMap::new() };
    tree.root(test)?;
    for (index, block) in test.blocks.iter().enumerate() {
        let expected = block.expect_exception.as_deref();
        if let Some(rule) = expected.and_then(|expected| chain.missing_rule(expected)) {
            report.skip_block(rule);
            continue;
        }
        match (tree.grow(&block.rlp), expected) {
            (Ok(()), None) | (Err(Refused::Invalid(_)), Some(_)) => {}
            (Ok(()), Some(expected)) => {
                return Err(format!("block {index} passes, must fail with {expected}"));
            }
            (Err(Refused::Foreign(rule)), _) => return Ok(Outcome::LeftOut(rule)),
            (Err(Refused::Invalid(why)), None) => return Err(format!("block {index}: {why}")),
        }
    }
    tree.check_tip(test)
}

impl Tree<'_> {
    fn root(&mut self, test: &BlockTest) -> Result<(), String> {
        let genesis = Block::<Tx>::decode(&mut &test.genesis_rlp[..]).map_err(|error| error.to_string())?;
        let mut world = World::new(&test.pre);
        if world.state_root() != genesis.header.state_root {
            return Err("genesis state root".to_string());
        }
        world.hashes.insert(genesis.header.number, genesis.header.hash_slow());
        self.blocks.insert(genesis.header.hash_slow(), (genesis.header, world));
        Ok(())
    }

    fn grow(&mut self, rlp: &[u8]) -> Result<(), Refused> {
        let mut rest = rlp;
        let block = Block::<Tx>::decode(&mut rest).map_err(|error| invalid(&error))?;
        if !rest.is_empty() {
            return Err(invalid(&"bytes after the block"));
        }
        let (parent, world) =
            self.blocks.get(&block.header.parent_hash).ok_or_else(|| invalid(&"unknown parent"))?;
        if block.header.timestamp <= parent.timestamp {
            return Err(invalid(&"timestamp"));
        }
        let (header, mut after) = self.chain.derive(parent, world, &block)?;
        let hash = header.hash_slow();
        if hash != block.header.hash_slow() {
            return Err(invalid(&format!("derived {header:?}\ninstead of {:?}", block.header)));
        }
        after.hashes.insert(header.number, hash);
        self.blocks.insert(hash, (header, after));
        Ok(())
    }

    fn check_tip(&self, test: &BlockTest) -> Result<Outcome, String> {
        let (header, world) =
            self.blocks.get(&test.last_block_hash).ok_or("the last block was not accepted")?;
        let same = match (&test.post_state, test.post_state_hash) {
            (Some(state), _) => *world == World::new(state),
            (None, hash) => hash.is_some_and(|hash| hash == header.state_root),
        };
        if same { Ok(Outcome::Passed) } else { Err("state after the last block".to_string()) }
    }
}

/// Pays what validators withdraw.
pub(super) fn credit(world: &mut World, withdrawals: &Withdrawals) {
    for withdrawal in withdrawals.iter() {
        let balance = world.balance(withdrawal.address) + U256::from(withdrawal.amount_wei());
        world.set_balance(withdrawal.address, balance);
    }
}
