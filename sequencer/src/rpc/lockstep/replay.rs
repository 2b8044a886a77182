//! `lockstep_blockAccessList` and `lockstep_blockSchedule`: a block of the chain, executed again and watched.

use std::sync::{Arc, OnceLock};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, Bytes, U64, U256};
use lockstep_executor::{
    Executor, Mode, Options, Run, RunKind, Schedule, TxIndex,
    rollup::{self, Done},
};
use lockstep_index::block;
use lockstep_primitives::{BlockInputs, BlockNumber, Header, SealedBlock};
use lockstep_state::StateView;
use lockstep_stf::Rules;
use revm::state::bal::{AccountBal, Bal, BalWrites};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::super::{api::Api, args::Args, error::RpcError};
use crate::build::inputs_of;

/// Executes blocks again, one at a time: the cores belong to new blocks.
#[derive(Debug)]
pub(in crate::rpc) struct Replays {
    turn: Arc<Semaphore>,
    options: Options,
    /// Notes what transactions touch.
    access: OnceLock<Arc<Executor>>,
    /// Works as the sequencer does, and notes when transactions ran.
    schedule: OnceLock<Arc<Executor>>,
}

impl Replays {
    pub(in crate::rpc) fn new(options: Options) -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            options,
            access: OnceLock::new(),
            schedule: OnceLock::new(),
        }
    }

    /// Does `work` when its turn comes.
    async fn run<T: Send + 'static>(
        &self,
        api: &Api,
        work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let turn = self.turn.clone().acquire_owned().await.map_err(RpcError::internal)?;
        api.call(move || {
            let result = work();
            drop(turn); // held until the work ends, even if the caller has gone
            result
        })
        .await
    }

    fn access(&self) -> Result<Arc<Executor>, RpcError> {
        let serial = Options { threads: 1, mode: Mode::Sequential, ..Options::default() };
        executor(&self.access, Options { record_access: true, ..serial })
    }

    fn schedule(&self) -> Result<Arc<Executor>, RpcError> {
        executor(&self.schedule, Options { record_schedule: true, ..self.options.clone() })
    }
}

/// Its threads start with its first block.
fn executor(place: &OnceLock<Arc<Executor>>, options: Options) -> Result<Arc<Executor>, RpcError> {
    if let Some(executor) = place.get() {
        return Ok(executor.clone());
    }
    let executor = Arc::new(Executor::new(options).map_err(RpcError::internal)?);
    Ok(place.get_or_init(|| executor).clone())
}

/// `lockstep_blockAccessList`: the block access list in the JSON of EIP-7928.
pub(in crate::rpc) async fn block_access_list(
    api: &Api,
    mut args: Args,
) -> Result<Option<Vec<AccountView>>, RpcError> {
    let block: BlockId = args.required("block")?;
    args.end()?;
    let executor = api.replays.access()?;
    let Some(stored) = Stored::find(api, block).await? else { return Ok(None) };
    let list = move || Ok(stored.execute(&executor)?.executed.access_list.unwrap_or_default());
    Ok(Some(accounts(api.replays.run(api, list).await?)))
}

/// `lockstep_blockSchedule`: on which thread and when each transaction ran, in an execution made for this answer.
pub(in crate::rpc) async fn block_schedule(
    api: &Api,
    mut args: Args,
) -> Result<Option<ScheduleView>, RpcError> {
    let block: BlockId = args.required("block")?;
    args.end()?;
    let executor = api.replays.schedule()?;
    let Some(stored) = Stored::find(api, block).await? else { return Ok(None) };
    let schedule = move || {
        // Once to learn the block's contracts and to read its state, as the sequencer had.
        stored.execute(&executor)?;
        let schedule = stored.execute(&executor)?.schedule.unwrap_or_default();
        Ok(Some(ScheduleView::new(&stored.block, executor.options().mode, schedule)))
    };
    api.replays.run(api, schedule).await
}

/// A block, and what it was executed on.
struct Stored {
    rules: Rules,
    parent: Header,
    block: SealedBlock,
    inputs: BlockInputs,
    view: StateView,
}

impl Stored {
    /// `None` for a block that is unknown, and for genesis, which nothing was executed for.
    async fn find(api: &Api, id: BlockId) -> Result<Option<Self>, RpcError> {
        let pool = api.context.index.pool();
        let Some(header) = api.find(id).await? else { return Ok(None) };
        let Some(parent) = header.header.number.checked_sub(1).map(BlockNumber) else { return Ok(None) };
        let block = block::by_hash(pool, header.hash).await?.ok_or(RpcError::UnknownBlock)?;
        let parent_header = block::header(pool, parent).await?.ok_or(RpcError::UnknownBlock)?;
        let state = api.context.state.clone();
        let view = api.call(move || Ok(state.at(parent)?)).await?;
        let inputs = inputs_of(&block).map_err(RpcError::internal)?;
        Ok(Some(Self { rules: api.rules, parent: parent_header.header, block, inputs, view }))
    }

    fn execute(&self, executor: &Executor) -> Result<Done, RpcError> {
        let senders = &self.block.senders;
        let sender = |index: usize, _: &_| senders.get(index).copied();
        let view = self.view.clone();
        rollup::execute(executor, view, &self.rules, &self.parent, &self.inputs, sender)
            .map_err(RpcError::internal)
    }
}

/// What a block did with an account (EIP-7928). Index 0 is the block's beginning, `n` its `n`th transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct AccountView {
    address: Address,
    storage_changes: Vec<SlotView>,
    storage_reads: Vec<U256>,
    balance_changes: Vec<Change<U256>>,
    nonce_changes: Vec<Change<U64>>,
    code_changes: Vec<CodeChange>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct SlotView {
    key: U256,
    changes: Vec<Change<U256>>,
}

/// The value after the transaction at `index`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Change<T> {
    index: U64,
    value: T,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct CodeChange {
    index: U64,
    code: Bytes,
}

/// Accounts by address, slots by key, as EIP-7928 orders them.
fn accounts(list: Bal) -> Vec<AccountView> {
    let mut accounts: Vec<_> =
        list.accounts.into_iter().map(|(address, bal)| account(address, bal)).collect();
    accounts.sort_unstable_by_key(|account| account.address);
    accounts
}

fn account(address: Address, bal: AccountBal) -> AccountView {
    let info = bal.account_info;
    let (storage_reads, storage_changes) = bal.storage.into_vecs();
    let code = info.code.writes.into_iter();
    AccountView {
        address,
        storage_changes: storage_changes
            .into_iter()
            .map(|(key, writes)| SlotView { key, changes: changes(writes) })
            .collect(),
        storage_reads,
        balance_changes: changes(info.balance),
        nonce_changes: (info.nonce.writes.into_iter())
            .map(|(index, nonce)| Change { index: U64::from(index), value: U64::from(nonce) })
            .collect(),
        code_changes: code
            .map(|(index, (_, code))| CodeChange { index: U64::from(index), code: code.original_bytes() })
            .collect(),
    }
}

fn changes(writes: BalWrites<U256>) -> Vec<Change<U256>> {
    writes.writes.into_iter().map(|(index, value)| Change { index: U64::from(index), value }).collect()
}

/// When each transaction ran. Times are nanoseconds after the beginning; transactions are numbered as in the block,
/// plainly, and the L1 attributes and deposits are not among them.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::rpc) struct ScheduleView {
    block_number: U64,
    block_hash: B256,
    mode: String,
    threads: usize,
    total_ns: u64,
    runs: Vec<RunView>,
    /// Pairs of which the second had to wait for the first.
    conflicts: Vec<[u64; 2]>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunView {
    transaction: u64,
    worker: u32,
    start_ns: u64,
    end_ns: u64,
    kind: &'static str,
    /// Whom an escaped run has to wait for.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<u64>,
}

impl ScheduleView {
    fn new(block: &SealedBlock, mode: Mode, schedule: Schedule) -> Self {
        let forced = block.transactions.iter().take_while(|tx| tx.is_deposit()).count() as u64;
        let place = |tx: TxIndex| forced + u64::from(tx.0);
        Self {
            block_number: U64::from(block.header.number),
            block_hash: block.hash,
            mode: mode.to_string(),
            threads: schedule.threads,
            total_ns: schedule.total_ns,
            runs: schedule.runs.into_iter().map(|run| run_view(run, place)).collect(),
            conflicts: (schedule.conflicts.into_iter())
                .map(|(older, younger)| [place(older), place(younger)])
                .collect(),
        }
    }
}

fn run_view(run: Run, place: impl Fn(TxIndex) -> u64) -> RunView {
    let (kind, waits_for) = match run.kind {
        RunKind::Executed => ("executed", None),
        RunKind::Transfer => ("transfer", None),
        RunKind::Escaped(older) => ("escaped", Some(place(older))),
        RunKind::Stale => ("stale", None),
        RunKind::Head => ("head", None),
        RunKind::Panicked => ("panicked", None),
    };
    RunView {
        transaction: place(run.tx),
        worker: run.worker,
        start_ns: run.start_ns,
        end_ns: run.end_ns,
        kind,
        waits_for,
    }
}
