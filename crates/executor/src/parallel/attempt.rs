//! One attempt at one transaction: execute, sort out what it wrote, make that visible.

use alloy_primitives::U256;
use lockstep_locks::Mode;
use revm::{
    DatabaseRef,
    context::{
        Transaction,
        result::{EVMError, ExecutionResult},
    },
    primitives::{KECCAK_EMPTY, TxKind},
    state::{Account, AccountInfo, EvmState},
};

use super::{
    cells::{AccountWrite, BalanceWrite, Cells, Seq},
    reads::{AccountRead, BalanceSeen, Footprint, Grants, HUGE, NonceSeen, Written},
    view::{View, ViewError},
};
use crate::{Lane, Transfer, Vm};

/// What an execution came to, before anybody else sees it.
pub(crate) enum Attempt<H, I, E> {
    /// It ran; its writes are in [`Writes`].
    Ran(ExecutionResult<H>),
    /// It is not valid.
    Invalid(I),
    /// An older transaction holds something that it needs.
    Wait,
    /// It cannot be decided before its turn.
    Head,
    /// The database failed.
    Base(E),
    /// The EVM failed.
    Evm(String),
}

/// Writes of one execution, not yet visible.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    pub(crate) accounts: Vec<(u32, AccountWrite)>,
    /// Account cell, slot, slot cell, value.
    pub(crate) slots: Vec<(u32, U256, u32, U256)>,
}

impl Writes {
    fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    /// Makes everything visible to younger transactions and notes it in `seen`. Gives whether locks covered it all.
    pub(crate) fn publish(
        &mut self,
        cells: &Cells,
        seq: Seq,
        retired: Seq,
        grants: &Grants,
        seen: &mut Footprint,
    ) -> bool {
        let mut covered = true;
        for (cell, write) in self.accounts.drain(..) {
            let written = Written::account(cell, &write);
            covered &= covers_account(grants, &written);
            seen.writes.push(written);
            cells.account(cell).publish(seq, write, retired);
        }
        for (account, slot, cell, value) in self.slots.drain(..) {
            let grant = grants.slot_cell(cell);
            covered &= grant.is_some_and(|grant| grant.mode == Mode::Exclusive && !grant.late);
            seen.writes.push(Written::Slot { cell, account, slot });
            cells.slot(cell).publish(seq, value, retired);
        }
        covered
    }
}

fn covers_account(grants: &Grants, written: &Written) -> bool {
    let Written::Account { cell, balance, nonce, code } = *written else { return true };
    let Some(grant) = grants.account_cell(cell) else { return false };
    let holds = |held: Option<Mode>, wanted: Mode| held.is_some_and(|held| held.covers(wanted));
    // Who is paid out of an account must be ordered with who gives it its code: later transactions of the account
    // take its own nonces for proof that nobody else spent.
    balance.is_none_or(|mode| holds(grant.balance, mode) && grant.code.is_some())
        && (!nonce || holds(grant.nonce, Mode::Exclusive))
        && (!code || holds(grant.code, Mode::Exclusive))
}

/// Executes `tx` on the lane's view, which has been turned to it.
pub(crate) fn attempt<'e, V: Vm, D: DatabaseRef>(
    lane: &mut V::Lane<View<'e, D>>,
    tx: &V::Tx,
    writes: &mut Writes,
) -> Attempt<V::Halt, V::Invalid, D::Error> {
    writes.clear();
    let result = match lane.execute(tx.clone()) {
        Ok(result) => result,
        Err(EVMError::Transaction(reason)) => {
            let view = lane.db();
            // What made it invalid was observed to the wei.
            view.seen.writes.clear();
            for read in &mut view.seen.accounts {
                make_exact(read, &view.grants);
            }
            let at_head = view.needs_head || view.seen.accounts.iter().any(|read| read.fee.is_some());
            return if at_head && !view.is_head() { Attempt::Head } else { Attempt::Invalid(reason) };
        }
        Err(EVMError::Database(ViewError::Wait)) => return Attempt::Wait,
        Err(EVMError::Database(ViewError::Head)) => return Attempt::Head,
        Err(EVMError::Database(ViewError::Base(error))) => return Attempt::Base(error),
        Err(error) => return Attempt::Evm(error.to_string()),
    };
    let (view, state) = lane.parts();
    if collect(view, state, writes) || (view.needs_head && !view.is_head()) {
        return Attempt::Head;
    }
    Attempt::Ran(result)
}

/// Sorts out what changed. True if that cannot be said before the transaction's turn.
fn collect<D: DatabaseRef>(view: &mut View<'_, D>, state: &EvmState, writes: &mut Writes) -> bool {
    let cells = view.ground().cells;
    let early = !view.is_head();
    for (address, account) in state {
        if !account.is_touched() {
            continue;
        }
        let View { seen, grants, stand, .. } = &mut *view;
        let Some(read) = seen.account(address) else {
            // The journal knows it without the database: created empty, or made up by the EVM.
            if account.is_empty() && account.storage.is_empty() {
                continue;
            }
            return true;
        };
        if account.is_created() || account.is_selfdestructed() {
            make_exact(read, grants);
        }
        let cell = read.cell;
        if let Some(fee) = read.fee {
            let replaced = account.is_created()
                || account.is_selfdestructed()
                || account.info.nonce != read.nonce
                || account.info.code_hash != read.code_hash;
            let reward = account.info.balance.wrapping_sub(read.balance);
            // Whether it was empty before this is known at its turn.
            let vanishes = read.exists && account.info.is_empty();
            if early && (replaced || vanishes || magnitude(reward) >= HUGE) {
                return true;
            }
            if account.is_selfdestructed() || vanishes {
                // With all that it has received.
                seen.rewards[usize::from(fee)] = stand.received(fee).wrapping_neg();
                writes.accounts.push((cell, AccountWrite::destroy()));
            } else {
                if replaced {
                    let write =
                        AccountWrite { balance: BalanceWrite::Keep, ..write_of(account, read, grants) };
                    writes.accounts.push((cell, write));
                }
                seen.rewards[usize::from(fee)] = reward;
            }
        } else if account.is_selfdestructed() {
            writes.accounts.push((cell, AccountWrite::destroy()));
        } else {
            let write = write_of(account, read, grants);
            let vanishes = read.exists && account.info.is_empty();
            if write != AccountWrite::default() || vanishes {
                writes.accounts.push((cell, write));
            }
        }
        if !account.is_selfdestructed() {
            for (slot, value) in account.changed_storage_slots() {
                let granted = grants.scan_slot(cell, *slot).map(|grant| grant.cell);
                let id = granted.unwrap_or_else(|| cells.slot_id(cell, *slot));
                writes.slots.push((cell, *slot, id, value.present_value()));
            }
        }
    }
    false
}

/// What `account` is now, against what it was when it was loaded.
fn write_of(account: &Account, read: &mut AccountRead, grants: &Grants) -> AccountWrite {
    let info = &account.info;
    let created = account.is_created();
    let delta = info.balance.wrapping_sub(read.balance);
    if magnitude(delta) >= HUGE {
        make_exact(read, grants);
    }
    let balance = match read.balance_seen {
        _ if delta.is_zero() && !created => BalanceWrite::Keep,
        BalanceSeen::Exactly => BalanceWrite::Set(info.balance),
        _ => BalanceWrite::Add(delta),
    };
    let nonce = (created || info.nonce != read.nonce).then_some(info.nonce);
    if nonce.is_some() && read.nonce_seen != NonceSeen::Exactly {
        make_exact(read, grants);
    }
    let code =
        (info.code_hash != read.code_hash).then(|| (info.code_hash, info.code.clone().unwrap_or_default()));
    AccountWrite { balance, nonce, code, wipe: created }
}

/// Everything about the account was observed.
fn make_exact(read: &mut AccountRead, grants: &Grants) {
    read.passive = false;
    let grant = grants.account(&read.address);
    let shared = |held: Option<Mode>| held.is_some_and(|held| held.covers(Mode::Shared));
    if read.nonce_seen != NonceSeen::Exactly {
        read.nonce_seen = NonceSeen::Exactly;
        read.nonce_covered = shared(grant.and_then(|grant| grant.nonce));
    }
    if read.balance_seen != BalanceSeen::Exactly {
        read.balance_seen = BalanceSeen::Exactly;
        read.balance_covered = shared(grant.and_then(|grant| grant.balance));
    }
}

/// The size of a number modulo 2^256 that stands for itself or for its negative.
fn magnitude(delta: U256) -> U256 {
    if delta.bit(255) { delta.wrapping_neg() } else { delta }
}

/// Executes a plain transfer without an interpreter; `None` if it is none, or not a valid one.
pub(crate) fn transfer<D: DatabaseRef>(
    view: &mut View<'_, D>,
    tx: &impl Transaction,
    transfer: &Transfer,
    writes: &mut Writes,
) -> Result<Option<()>, D::Error> {
    writes.clear();
    let (from, to) = (tx.caller(), transfer.to);
    if from == to || view.fee_position(&from).is_some() || view.fee_position(&to).is_some() {
        return Ok(None);
    }
    let Some(sender) = account_read(view, from)? else { return Ok(None) };
    let Some(recipient) = account_read(view, to)? else { return Ok(None) };
    let small = |wei: U256| wei < HUGE;
    let valid = sender.nonce == transfer.nonce
        && sender.balance >= transfer.max_cost
        && small(sender.balance)
        && small(recipient.balance)
        && !(transfer.value.is_zero() && recipient.is_empty());
    if !valid {
        return Ok(None);
    }
    if may_vanish(view, transfer) {
        return Ok(None);
    }
    let spent = transfer.value + transfer.fee;
    writes.accounts.push((
        sender.cell,
        AccountWrite {
            balance: if spent.is_zero() {
                BalanceWrite::Keep
            } else {
                BalanceWrite::Add(spent.wrapping_neg())
            },
            nonce: Some(transfer.nonce + 1),
            ..AccountWrite::default()
        },
    ));
    if !transfer.value.is_zero() {
        writes.accounts.push((
            recipient.cell,
            AccountWrite { balance: BalanceWrite::Add(transfer.value), ..AccountWrite::default() },
        ));
    }
    let sender = AccountRead {
        nonce_seen: NonceSeen::Exactly,
        balance_seen: BalanceSeen::AtLeast(transfer.max_cost),
        ..sender
    };
    view.seen.rewards[..transfer.rewards.len()].copy_from_slice(&transfer.rewards);
    view.seen.accounts.push(sender);
    view.seen.accounts.push(recipient);
    Ok(Some(()))
}

/// Whether `transfer` touches an empty account by paying it nothing, which ends it (EIP-161).
fn may_vanish<D: DatabaseRef>(view: &View<'_, D>, transfer: &Transfer) -> bool {
    let cells = view.ground().cells;
    let unpaid = transfer.rewards.iter().zip(view.fee_accounts).filter(|(reward, _)| reward.is_zero());
    let mut accounts = unpaid.map(|(_, address)| cells.account(cells.account_id(address)));
    accounts.any(|cell| cell.known_base().is_none_or(|base| base.as_ref().is_some_and(AccountInfo::is_empty)))
}

/// An account without code, as a transfer needs it.
fn account_read<D: DatabaseRef>(
    view: &View<'_, D>,
    address: alloy_primitives::Address,
) -> Result<Option<AccountRead>, D::Error> {
    let grant = view.grants.account(&address);
    let ground = view.ground();
    let cell = grant.map_or_else(|| ground.cells.account_id(&address), |grant| grant.cell);
    let account = ground.bare_account(cell, view.seq)?;
    let code_hash = account.as_ref().map_or(KECCAK_EMPTY, |info| info.code_hash);
    if code_hash != KECCAK_EMPTY || ground.cells.account(cell).was_empty() {
        return Ok(None);
    }
    let shared = |held: Option<Mode>| view.is_head() || held.is_some_and(|held| held.covers(Mode::Shared));
    Ok(Some(AccountRead {
        cell,
        address,
        exists: account.is_some(),
        balance: account.as_ref().map_or(U256::ZERO, |info| info.balance),
        nonce: account.as_ref().map_or(0, |info| info.nonce),
        code_hash,
        has_code: false,
        nonce_seen: NonceSeen::No,
        balance_seen: BalanceSeen::No,
        fee: None,
        passive: false,
        left_empty: false,
        code_covered: shared(grant.and_then(|grant| grant.code)),
        nonce_covered: shared(grant.and_then(|grant| grant.nonce)),
        balance_covered: shared(grant.and_then(|grant| grant.balance)),
    }))
}

/// Whether `tx` may be a plain transfer, at a glance.
pub(crate) fn looks_plain(tx: &impl Transaction) -> bool {
    matches!(tx.kind(), TxKind::Call(_)) && tx.input().is_empty()
}
