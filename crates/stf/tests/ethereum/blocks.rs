//! Block tests: a tree of blocks, valid and invalid.

use std::{collections::BTreeMap, path::Path};

use alloy_consensus::{Block, EMPTY_OMMER_ROOT_HASH, Header, TxEnvelope, proofs::calculate_withdrawals_root};
use alloy_eips::{Encodable2718, Typed2718, eip4895::Withdrawals, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use lockstep_primitives::{BlockId, Eip1559Params, predeploys::BASE_FEE_VAULT};
use lockstep_stf::{BlockBuilder, Draft, Executed, OpSpecId, Rules, next_base_fee};

use crate::{
    fixture::{self, BlockTest},
    report::{Outcome, Report},
    rules::{OpRule, blob_params, exception_rule, execution_rule, header_rule, op_spec},
    states::{BLOB, decode},
    world::World,
};

/// EIP-1559 of Ethereum, in OP's terms.
const ETHEREUM_FEES: Eip1559Params = Eip1559Params { denominator: 8, elasticity: 2, min_base_fee: 0 };

pub fn run_file(path: &Path, report: &mut Report) {
    for (name, test) in fixture::read::<BlockTest>(path) {
        let outcome = run(&test, report);
        report.add(path, &name, outcome);
    }
}

/// The block tree, every block with the state after it.
struct Tree {
    rules: Rules,
    blocks: BTreeMap<B256, (Header, World)>,
}

/// Why a block is not in the tree.
enum Refused {
    /// Neither OP nor Ethereum allows it.
    Invalid(String),
    /// OP has no such blocks.
    Foreign(OpRule),
}

fn run(test: &BlockTest, report: &mut Report) -> Result<Outcome, String> {
    let spec = op_spec(&test.network)?;
    let chain_id = test.config.as_ref().map_or(1, |config| config.chainid.to());
    let mut tree = Tree { rules: Rules::at(chain_id, spec), blocks: BTreeMap::new() };
    tree.root(test)?;
    for (index, block) in test.blocks.iter().enumerate() {
        let expected = block.expect_exception.as_deref();
        if let Some(rule) = expected.and_then(exception_rule) {
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

impl Tree {
    fn root(&mut self, test: &BlockTest) -> Result<(), String> {
        let genesis = Block::<TxEnvelope>::decode(&mut &test.genesis_rlp[..]).map_err(|e| e.to_string())?;
        let mut world = World::new(&test.pre);
        if world.state_root() != genesis.header.state_root {
            return Err("genesis state root".to_string());
        }
        world.hashes.insert(genesis.header.number, genesis.header.hash_slow());
        self.blocks.insert(genesis.header.hash_slow(), (genesis.header, world));
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

    fn grow(&mut self, rlp: &[u8]) -> Result<(), Refused> {
        let mut rest = rlp;
        let block = Block::<TxEnvelope>::decode(&mut rest).map_err(|error| invalid(&error))?;
        if !rest.is_empty() {
            return Err(invalid(&"bytes after the block"));
        }
        if block.body.transactions.iter().any(|tx| tx.ty() == BLOB) {
            return Err(Refused::Foreign(OpRule::NoBlobTransactions));
        }
        let (parent, world) =
            self.blocks.get(&block.header.parent_hash).ok_or_else(|| invalid(&"unknown parent"))?;
        let (header, mut after) = derive(&self.rules, parent, world, &block)?;
        let hash = header.hash_slow();
        if hash != block.header.hash_slow() {
            return Err(invalid(&format!("derived {header:?}\ninstead of {:?}", block.header)));
        }
        after.hashes.insert(header.number, hash);
        self.blocks.insert(hash, (header, after));
        Ok(())
    }
}

/// Builds the block again from its inputs.
fn derive(
    rules: &Rules,
    parent: &Header,
    world: &World,
    block: &Block<TxEnvelope>,
) -> Result<(Header, World), Refused> {
    if let Some(rule) = header_rule(rules.spec(), &block.header) {
        return Err(Refused::Foreign(rule));
    }
    if block.header.timestamp <= parent.timestamp {
        return Err(invalid(&"timestamp"));
    }
    let draft = Draft {
        header: draft(rules.spec(), parent, &block.header),
        l1_origin: BlockId::default(),
        sequence_number: 0,
    };
    let mut builder =
        BlockBuilder::from_draft(world.clone(), rules, draft).map_err(|error| invalid(&error))?;
    for tx in &block.body.transactions {
        let tx = decode(&tx.encoded_2718()).map_err(|error| invalid(&error))?;
        builder.push(tx).map_err(|error| invalid(&error))?;
    }
    let executed = builder.finish().map_err(|error| invalid(&error))?;

    if let Some(rule) = execution_rule(rules.spec(), world) {
        return Err(Refused::Foreign(rule));
    }
    let mut after = world.clone();
    after.apply(&executed.bundle);
    undo_base_fee(world, &mut after, &executed).map_err(|error| invalid(&error))?;
    let withdrawals = block.body.withdrawals.clone().ok_or_else(|| invalid(&"no withdrawals"))?;
    credit(&mut after, &withdrawals);
    let sealed = executed.seal(after.state_root(), calculate_withdrawals_root(&withdrawals));
    Ok((sealed.header, after))
}

/// The header that follows from `parent` and from what a proposer may choose in `chosen`.
fn draft(spec: OpSpecId, parent: &Header, chosen: &Header) -> Header {
    Header {
        parent_hash: parent.hash_slow(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: chosen.beneficiary,
        number: parent.number + 1,
        gas_limit: chosen.gas_limit,
        timestamp: chosen.timestamp,
        mix_hash: chosen.mix_hash,
        extra_data: chosen.extra_data.clone(),
        base_fee_per_gas: Some(base_fee(parent)),
        excess_blob_gas: parent.next_block_excess_blob_gas(blob_params(spec)),
        parent_beacon_block_root: chosen.parent_beacon_block_root,
        requests_hash: spec.is_enabled_in(OpSpecId::ISTHMUS).then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}

/// OP's rule with Ethereum's parameters is Ethereum's rule.
fn base_fee(parent: &Header) -> u64 {
    let parent = Header { extra_data: ETHEREUM_FEES.extra_data(), blob_gas_used: None, ..parent.clone() };
    next_base_fee(&parent).unwrap()
}

/// Takes out of the `BaseFeeVault` what Ethereum burns, which must be there to the wei.
pub fn undo_base_fee(before: &World, after: &mut World, executed: &Executed) -> Result<(), String> {
    let header = &executed.draft.header;
    let burnt = U256::from(header.base_fee_per_gas.unwrap_or_default()) * U256::from(header.gas_used);
    let (had, has) = (before.balance(BASE_FEE_VAULT), after.balance(BASE_FEE_VAULT));
    if has != had + burnt {
        return Err(format!("BaseFeeVault has {has}, had {had}, {burnt} should be burnt"));
    }
    after.set_balance(BASE_FEE_VAULT, had);
    Ok(())
}

fn credit(world: &mut World, withdrawals: &Withdrawals) {
    for withdrawal in withdrawals.iter() {
        let balance = world.balance(withdrawal.address) + U256::from(withdrawal.amount_wei());
        world.set_balance(withdrawal.address, balance);
    }
}

fn invalid(why: &dyn std::fmt::Display) -> Refused {
    Refused::Invalid(why.to_string())
}
