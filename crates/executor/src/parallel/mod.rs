//! The parallel engine, and the state of a block that it leaves behind.

mod arena;
mod attempt;
mod board;
mod cells;
mod codes;
mod engine;
mod ground;
pub(crate) mod handover;
mod reads;
mod retire;
mod spare;
mod tickets;
mod view;
mod worker;

use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use lockstep_locks::AccessSet;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};
use smallvec::SmallVec;

use crate::{
    AccountChange, Changes, Executor, ExecutorError, Limits, SlotChange, Vm,
    fault::tried_twice,
    flat::Base,
    serial::{BatchRecord, OutcomeOf, Record},
};
use cells::{AccountWrite, BalanceWrite, Cells, END, Seq};
use engine::{Engine, Setting};
use ground::Ground;
use retire::Retired;
pub(crate) use spare::Spare;

/// The state of a block, in cells: what several threads work on.
#[derive(Debug)]
pub(crate) struct Cellular {
    cells: Cells,
    /// What the fee accounts have received, modulo 2^256; empty before the first batch.
    fees: SmallVec<[U256; 4]>,
    /// The last sequence number given away.
    last: Seq,
    spare: Arc<Spare>,
}

impl Drop for Cellular {
    fn drop(&mut self) {
        self.spare.keep_cells(std::mem::take(&mut self.cells));
    }
}

/// A batch to execute, and where its results go.
pub(crate) struct Batch<'b, V: Vm> {
    pub(crate) txs: &'b [V::Tx],
    pub(crate) recorded: &'b [AccessSet],
    pub(crate) limits: &'b mut Limits,
    pub(crate) record: &'b mut Record,
    pub(crate) outcomes: &'b mut Vec<OutcomeOf<V>>,
}

impl Cellular {
    /// Nothing different from the state before the block.
    pub(crate) fn new(spare: &Arc<Spare>) -> Self {
        Self { cells: spare.cells(), fees: SmallVec::new(), last: 0, spare: Arc::clone(spare) }
    }

    /// Executes the beginning of a batch, as far as threads are of use; gives how far.
    ///
    /// If they are of any, `before` is asked for changes that precede the batch and are not in the cells yet.
    pub(crate) fn run<V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync>(
        &mut self,
        executor: &Executor,
        vm: &V,
        base: &D,
        batch: &mut Batch<'_, V>,
        before: impl FnOnce() -> Option<Changes>,
    ) -> Result<usize, ExecutorError> {
        self.fees.resize(vm.fee_accounts().len(), U256::ZERO);
        let ground = Ground { cells: &self.cells, base };
        // Plain transfers pay them without loading them, and without a look at their balances.
        let load = || {
            let balances = vm.fee_accounts().iter().map(|address| {
                let account = ground.bare_account(self.cells.account_id(address), END)?;
                Ok::<_, D::Error>(account.map_or(U256::ZERO, |info| info.balance))
            });
            balances.collect::<Result<SmallVec<[U256; 4]>, _>>()
        };
        let record = &mut *batch.record;
        let fee_balances = tried_twice(&mut record.stats.panics, load)
            .map_err(|message| ExecutorError::Panicked { tx: record.next, message })?
            .map_err(ExecutorError::database)?;
        let setting = Setting {
            vm,
            ground,
            options: executor.options(),
            predictor: executor.predictor(),
            txs: batch.txs,
            recorded: batch.recorded,
            first: self.last + APPLY_SEQS + 1,
            fee_balances,
        };
        if !setting.is_modest(&self.fees) {
            return Ok(0);
        }
        let engine = Engine::new(setting, &self.spare, *batch.limits, self.fees.clone(), batch.record);
        if executor.options().adaptive && !engine.is_worth_it() {
            batch.record.stats.panics += engine.abandon(&self.spare);
            return Ok(0);
        }
        if let Some(changes) = before() {
            apply(&self.cells, self.last, changes);
        }
        let retired = engine.run(executor.pool(), &self.spare, std::mem::take(batch.outcomes))?;
        let done = retired.head as usize;
        self.fees = retired.fees;
        *batch.limits = retired.limits;
        *batch.outcomes = retired.outcomes;
        let Retired { stats, access, list, runs, conflicts, .. } = retired;
        batch.record.join(BatchRecord { stats, access, list, runs, conflicts }, done);
        let count = Seq::try_from(batch.txs.len()).expect("a batch has fewer than 2^32 transactions");
        self.last += APPLY_SEQS + count;
        Ok(done)
    }

    /// Takes over changes that were made on the state as it is here.
    pub(crate) fn apply(&mut self, changes: Changes) {
        apply(&self.cells, self.last, changes);
        self.last += APPLY_SEQS;
    }

    /// Writes what the fee accounts have received into their cells.
    pub(crate) fn settle_fees(&mut self, fee_accounts: &[Address]) {
        self.last += 1;
        for (address, fee) in fee_accounts.iter().zip(&mut self.fees) {
            let wei = std::mem::take(fee);
            if !wei.is_zero() {
                let cell = self.cells.account(self.cells.account_id(address));
                let write = AccountWrite { balance: BalanceWrite::Add(wei), ..AccountWrite::default() };
                cell.publish(self.last, write, self.last);
            }
        }
    }

    /// The state as it is now, for execution on one thread. Fees must be settled.
    pub(crate) const fn state<'s, D>(&'s self, base: &'s D) -> State<'s, D> {
        State(Ground { cells: &self.cells, base })
    }

    /// What is different from before the block. Fees must be settled.
    pub(crate) fn changes(&self) -> Changes {
        let mut slots: Vec<Vec<SlotChange>> = Vec::new();
        for (_, cell) in self.cells.slots() {
            let account = self.cells.account(cell.account);
            let Some((before, after)) = cell.change(account) else { continue };
            let place = cell.account as usize;
            if slots.len() <= place {
                slots.resize_with(place + 1, Vec::new);
            }
            slots[place].push(SlotChange { slot: cell.slot, before, after });
        }
        let mut changes = Changes::default();
        for (id, cell) in self.cells.accounts() {
            let slots = slots.get_mut(id as usize).map(std::mem::take).unwrap_or_default();
            let Some((before, after, gone)) = cell.change() else { continue };
            let code = after.as_ref().and_then(|info| info.code.clone());
            if let Some(change) = AccountChange::new(before, after, gone, slots) {
                changes.insert(cell.address, change, |_| code);
            }
        }
        changes
    }
}

/// Sequence numbers that [`apply`] uses.
const APPLY_SEQS: Seq = 2;

/// Makes changes visible to everything above `last` and [`APPLY_SEQS`] more.
fn apply(cells: &Cells, last: Seq, changes: Changes) {
    let (gone, seq) = (last + 1, last + 2);
    for (address, change) in changes.accounts {
        let id = cells.account_id(&address);
        let cell = cells.account(id);
        for slot in &change.slots {
            let cell = cells.slot(cells.slot_id(id, slot.slot));
            cell.set_base(slot.before);
            cell.publish(seq, slot.after, gone);
        }
        let had = change.before.as_ref().map(|before| before.code_hash);
        cell.set_base(change.before);
        if change.wiped {
            cell.publish(gone, AccountWrite::destroy(), gone);
        }
        let write = change.after.map_or_else(AccountWrite::destroy, |after| {
            let code = (change.wiped || had != Some(after.code_hash)).then(|| {
                let code = changes.codes.get(&after.code_hash).cloned();
                (after.code_hash, code.unwrap_or_default())
            });
            AccountWrite {
                balance: BalanceWrite::Set(after.balance),
                nonce: Some(after.nonce),
                code,
                wipe: false,
            }
        });
        cell.publish(seq, write, gone);
    }
}

/// The state of a block after everything that has run.
#[derive(Debug)]
pub(crate) struct State<'s, D>(Ground<'s, D>);

impl<D: DatabaseRef> Base for State<'_, D> {
    type Error = D::Error;

    fn account(&self, address: Address) -> Result<Option<AccountInfo>, D::Error> {
        self.0.account_of(&address, END)
    }

    fn slot(&self, address: Address, slot: U256) -> Result<U256, D::Error> {
        self.0.slot_of(&address, slot, END)
    }

    fn code(&self, hash: B256) -> Result<Bytecode, D::Error> {
        self.0.base.code_by_hash_ref(hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, D::Error> {
        self.0.base.block_hash_ref(number)
    }
}
