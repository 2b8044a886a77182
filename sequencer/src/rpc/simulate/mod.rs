//! `eth_simulateV1` (execution-apis): blocks of calls, each on the state that the ones before it left.
//!
//! As in op-geth, simulated blocks hold no L1 attributes and no deposits, and their calls pay no L1 fee. They chain:
//! number, parent hash, roots and bloom are those of the blocks that these calls would make. Their state root holds
//! overrides too, since later calls see them.

mod block;
mod calls;
mod chain;
mod transfers;
mod unsigned;

use alloy::eips::BlockId;
use alloy::rpc::types::{Block as RpcBlock, BlockTransactions, simulate::SimulatedBlock};
use op_alloy_rpc_types::Transaction;
use serde::Deserialize;

use super::{
    api::Api,
    args::Args,
    call::Base,
    error::RpcError,
    hex::Block,
    refusal::{Refusal, code},
    request::{BlockChanges, Message, StateChanges},
    view,
};
use block::{Simulated, Simulation};

/// execution-apis: the simulation took too long.
const TIMEOUT: i32 = -32016;
/// geth's code for a call that no block could hold for a reason without a code of its own.
const INTERNAL_ERROR: i32 = -32603;

/// What to simulate.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Payload {
    block_state_calls: Vec<Wanted>,
    #[serde(flatten)]
    options: Options,
}

/// How to simulate.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    /// Tell transfers of ether as logs.
    trace_transfers: bool,
    /// Judge calls as transactions: nonces, base fee.
    validation: bool,
    return_full_transactions: bool,
}

/// A block that the caller wants.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    block_overrides: Option<BlockChanges>,
    state_overrides: Option<StateChanges>,
    calls: Vec<Message>,
}

type Answer = SimulatedBlock<RpcBlock<Transaction>>;

pub(super) async fn simulate(api: &Api, mut args: Args) -> Result<Vec<Answer>, RpcError> {
    let payload: Payload = args.required("payload")?;
    let block = args.optional("block")?.map_or_else(BlockId::default, |Block(block)| block);
    args.end()?;
    if payload.block_state_calls.is_empty() {
        return Err(RpcError::Params("empty input".to_owned()));
    }
    let base = Base::at(api, block).await?;
    api.call(move || run(base, payload)).await.map_err(coded)
}

fn run(base: Base, Payload { block_state_calls, options }: Payload) -> Result<Vec<Answer>, RpcError> {
    let planned = chain::plan(&base.header, block_state_calls)?;
    let mut simulation = Simulation::new(base, options);
    planned
        .into_iter()
        .map(|block| Ok(answer(simulation.block(block)?, options.return_full_transactions)))
        .collect()
}

fn answer(Simulated { sealed, size_bytes, calls }: Simulated, full: bool) -> Answer {
    let transactions = if full {
        BlockTransactions::Full(view::transactions(&sealed))
    } else {
        BlockTransactions::Hashes(sealed.transactions.iter().map(|tx| tx.tx_hash()).collect())
    };
    let header = view::header(&sealed.header, sealed.hash, Some(size_bytes));
    let inner = RpcBlock::new(header, transactions).with_withdrawals(Some(Default::default()));
    SimulatedBlock { inner, calls }
}

fn refused(code: i32, text: String) -> RpcError {
    RpcError::Unincludable(Refusal { code: Some(code), text })
}

/// Here execution-apis' codes are the error's own.
fn coded(error: RpcError) -> RpcError {
    match error {
        RpcError::Unincludable(Refusal { code, text }) => {
            RpcError::Coded { code: code.unwrap_or(INTERNAL_ERROR), text }
        }
        RpcError::Timeout(_) => RpcError::Coded { code: TIMEOUT, text: error.to_string() },
        error => error,
    }
}
