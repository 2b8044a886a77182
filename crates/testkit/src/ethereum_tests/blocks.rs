//! Block tests under OP rules.

use std::path::Path;

use alloy_consensus::{Block, EMPTY_OMMER_ROOT_HASH, Header, proofs::calculate_withdrawals_root};
use alloy_eips::{Encodable2718, Typed2718, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::U256;
use lockstep_primitives::{BlockId, Eip1559Params, predeploys::BASE_FEE_VAULT};
use lockstep_stf::{Draft, Executed, OpSpecId, Rules, next_base_fee};

use super::{
    Execute,
    fixture::{self, BlockTest},
    report::Report,
    rules::{OpRule, blob_params, exception_rule, execution_rule, header_rule, op_spec},
    states::{BLOB, decode},
    tree::{self, Chain, Refused, Tx, credit, invalid},
    world::World,
};

/// EIP-1559 of Ethereum, in OP's terms.
const ETHEREUM_FEES: Eip1559Params = Eip1559Params { denominator: 8, elasticity: 2, min_base_fee: 0 };

pub(super) fn run_file(path: &Path, execute: &Execute<'_>, report: &mut Report) {
    for (name, test) in fixture::read::<BlockTest>(path) {
        let outcome = op_spec(&test.network).and_then(|spec| {
            let chain = OpChain { execute, rules: Rules::at(test.chain_id(), spec) };
            tree::run(&test, &chain, report)
        });
        report.add(path, &name, outcome);
    }
}

struct OpChain<'a> {
    execute: &'a Execute<'a>,
    rules: Rules,
}

impl Chain for OpChain<'_> {
    fn derive(&self, parent: &Header, world: &World, block: &Block<Tx>) -> Result<(Header, World), Refused> {
        let spec = self.rules.spec();
        if block.body.transactions.iter().any(|tx| tx.ty() == BLOB) {
            return Err(Refused::Foreign(OpRule::NoBlobTransactions));
        }
        if let Some(rule) = header_rule(spec, &block.header) {
            return Err(Refused::Foreign(rule));
        }
        let header = draft(spec, parent, &block.header);
        let executed = self.execute(world, header, &block.body.transactions)?;
        if let Some(rule) = execution_rule(spec, world) {
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

    fn missing_rule(&self, expected: &str) -> Option<OpRule> {
        exception_rule(expected)
    }
}

impl OpChain<'_> {
    fn execute(&self, world: &World, header: Header, txs: &[Tx]) -> Result<Executed, Refused> {
        let txs: Result<Vec<_>, _> = txs.iter().map(|tx| decode(&tx.encoded_2718())).collect();
        let txs = txs.map_err(|error| invalid(&error))?;
        let draft = Draft { header, l1_origin: BlockId::default(), sequence_number: 0 };
        let executed = (self.execute)(world, &self.rules, draft, &txs).map_err(|error| invalid(&error))?;
        match executed.dropped.first() {
            Some(dropped) => Err(invalid(&dropped.reason)),
            None => Ok(executed),
        }
    }
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
    next_base_fee(&parent).expect("the extra data holds the parameters")
}

/// Takes out of the `BaseFeeVault` what Ethereum burns, which must be there to the wei.
pub(super) fn undo_base_fee(before: &World, after: &mut World, executed: &Executed) -> Result<(), String> {
    let header = &executed.draft.header;
    let burnt = U256::from(header.base_fee_per_gas.unwrap_or_default()) * U256::from(header.gas_used);
    let (had, has) = (before.balance(BASE_FEE_VAULT), after.balance(BASE_FEE_VAULT));
    if has != had + burnt {
        return Err(format!("BaseFeeVault has {has}, had {had}, {burnt} should be burnt"));
    }
    after.set_balance(BASE_FEE_VAULT, had);
    Ok(())
}
