//! State tests: one transaction on one state.

use std::path::Path;

use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header,
    transaction::{Recovered, SignerRecoverable},
};
use alloy_eips::Decodable2718;
use alloy_primitives::{B256, Log, keccak256};
use lockstep_primitives::{BlockId, OpTxEnvelope};
use lockstep_stf::{Draft, Executed, Rejected, Rules};

use super::{
    Execute,
    blocks::undo_base_fee,
    fixture::{self, Env, Post, StateTest},
    report::{Outcome, Report},
    rules::{OpRule, blob_fee_rule, execution_rule, op_spec},
    world::World,
};

/// EIP-2718 type of a blob transaction.
pub(super) const BLOB: u8 = 3;

pub(super) fn run_file(path: &Path, execute: &Execute<'_>, report: &mut Report) {
    for (name, test) in fixture::read::<StateTest>(path) {
        for (fork, posts) in &test.post {
            for post in posts {
                report.add(path, &name, run(&test, execute, fork, post));
            }
        }
    }
}

fn run(test: &StateTest, execute: &Execute<'_>, fork: &str, post: &Post) -> Result<Outcome, String> {
    let spec = op_spec(fork)?;
    if post.txbytes.first() == Some(&BLOB) {
        return Ok(Outcome::LeftOut(OpRule::NoBlobTransactions));
    }
    if let Some(rule) = blob_fee_rule(spec, test.env.current_excess_blob_gas.to()) {
        return Ok(Outcome::LeftOut(rule));
    }
    let rules = Rules::at(test.config.chainid.to(), spec);
    let world = World::new(&test.pre);
    let executed = transact(&rules, &world, execute, &test.env, post)?;

    if let Some(rule) = execution_rule(spec, &world) {
        return Ok(Outcome::LeftOut(rule));
    }
    let mut after = world.clone();
    after.apply(&executed.bundle);
    undo_base_fee(&world, &mut after, &executed)?;
    let root = after.state_root();
    if root != post.hash {
        return Err(format!("state root {root} instead of {}", post.hash));
    }
    let logs = logs_hash(&executed);
    if logs != post.logs { Err(format!("logs {logs} instead of {}", post.logs)) } else { Ok(Outcome::Passed) }
}

fn transact(
    rules: &Rules,
    world: &World,
    execute: &Execute<'_>,
    env: &Env,
    post: &Post,
) -> Result<Executed, String> {
    let (txs, undecodable) = match decode(&post.txbytes) {
        Ok(tx) => (vec![tx], None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let executed = execute(world, rules, draft(env), &txs).map_err(|error| format!("{error:?}"))?;
    let dropped = executed.dropped.first().map(|dropped| &dropped.reason);
    match (dropped.or(undecodable.as_ref()), &post.expect_exception) {
        (None, None) | (Some(_), Some(_)) => Ok(executed),
        (None, Some(expected)) => Err(format!("included, but must fail with {expected}")),
        (Some(why), None) => Err(why.to_string()),
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Recovered<OpTxEnvelope>, Rejected> {
    let tx = OpTxEnvelope::decode_2718_exact(bytes).map_err(|_| Rejected::Undecodable)?;
    let sender = tx.recover_signer().map_err(|_| Rejected::Signature)?;
    Ok(Recovered::new_unchecked(tx, sender))
}

fn draft(env: &Env) -> Draft {
    let header = Header {
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: env.current_coinbase,
        number: env.current_number.to(),
        gas_limit: env.current_gas_limit.to(),
        timestamp: env.current_timestamp.to(),
        mix_hash: env.current_random,
        base_fee_per_gas: Some(env.current_base_fee.to()),
        excess_blob_gas: Some(env.current_excess_blob_gas.to()),
        parent_beacon_block_root: Some(B256::ZERO),
        ..Header::default()
    };
    Draft { header, l1_origin: BlockId::default(), sequence_number: 0 }
}

fn logs_hash(executed: &Executed) -> B256 {
    let logs: Vec<Log> = executed.receipts.iter().flat_map(|receipt| receipt.logs().to_vec()).collect();
    keccak256(alloy_rlp::encode(logs))
}
