//! The state of a block in the making: one cell per account and per slot, with the versions that transactions wrote.
//!
//! A cell answers one question: what is the value for transaction `tx`, that is, after every write by an older one
//! that has been published so far? Whether *so far* is enough is decided by locks, or by validation at retirement.

use std::{
    fmt,
    hash::BuildHasher,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use alloy_primitives::{Address, B256, U256, map::DefaultHashBuilder};
use hashbrown::HashTable;
use parking_lot::Mutex;
use revm::{bytecode::Bytecode, primitives::KECCAK_EMPTY, state::AccountInfo};
use smallvec::SmallVec;

use super::arena::Arena;

/// Position in the order of everything that writes; larger is younger. Transactions start at 1.
pub(crate) type Seq = u32;

/// After everything.
pub(crate) const END: Seq = Seq::MAX;

/// Versions after which a cell folds the retired ones together.
const FOLD_ABOVE: usize = 8;
/// Accounts, and slots, up to which cells are kept for the next block.
const MAX_KEPT: u32 = 1 << 17;
/// Shards of the index; more than threads, so that they seldom meet.
const SHARDS: usize = 64;

/// What a transaction did to a balance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BalanceWrite {
    #[default]
    Keep,
    /// Adds, modulo 2^256: a debit adds its complement.
    Add(U256),
    Set(U256),
}

/// What a transaction did to an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccountWrite {
    pub(crate) balance: BalanceWrite,
    pub(crate) nonce: Option<u64>,
    pub(crate) code: Option<(B256, Bytecode)>,
    /// The storage before this transaction is gone: the account was created or destroyed.
    pub(crate) wipe: bool,
}

impl AccountWrite {
    /// The account is gone, whatever it was.
    pub(crate) fn destroy() -> Self {
        Self {
            balance: BalanceWrite::Set(U256::ZERO),
            nonce: Some(0),
            code: Some((KECCAK_EMPTY, Bytecode::default())),
            wipe: true,
        }
    }

    /// Applies the write; an account that is empty afterwards does not exist (EIP-161). True if it did before.
    fn apply(&self, account: &mut Option<AccountInfo>) -> bool {
        let gone = self.apply_bare(account);
        if let (Some(info), Some((_, code))) = (account, &self.code) {
            info.code = Some(code.clone());
        }
        gone
    }

    /// [`Self::apply`], all but the code itself.
    fn apply_bare(&self, account: &mut Option<AccountInfo>) -> bool {
        let existed = account.is_some();
        let none = || AccountInfo { code: None, ..AccountInfo::default() };
        let mut info = account.take().unwrap_or_else(none);
        match self.balance {
            BalanceWrite::Keep => {}
            BalanceWrite::Add(wei) => info.balance = info.balance.wrapping_add(wei),
            BalanceWrite::Set(wei) => info.balance = wei,
        }
        if let Some(nonce) = self.nonce {
            info.nonce = nonce;
        }
        if let Some((hash, _)) = &self.code {
            info.code_hash = *hash;
            info.code = None;
        }
        *account = (!info.is_empty()).then_some(info);
        existed && account.is_none()
    }
}

#[derive(Debug, Default)]
struct AccountVersions {
    /// The account after every folded version; `None` before the first fold.
    folded: Option<Option<AccountInfo>>,
    /// Ordered.
    list: SmallVec<[(Seq, AccountWrite); 1]>,
    /// Who wiped the storage, ordered.
    wipes: SmallVec<[Seq; 1]>,
    /// A folded version left nothing of what had been there.
    gone: bool,
}

/// One account.
#[derive(Debug)]
pub(crate) struct AccountCell {
    pub(crate) address: Address,
    base: OnceLock<Option<AccountInfo>>,
    written: AtomicBool,
    wiped: AtomicBool,
    versions: Mutex<AccountVersions>,
}

impl AccountCell {
    fn new(address: Address) -> Self {
        Self {
            address,
            base: OnceLock::new(),
            written: AtomicBool::new(false),
            wiped: AtomicBool::new(false),
            versions: Mutex::default(),
        }
    }

    /// The account before the block, loaded once.
    pub(crate) fn base<E>(
        &self,
        load: impl FnOnce() -> Result<Option<AccountInfo>, E>,
    ) -> Result<&Option<AccountInfo>, E> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let loaded = load()?;
        Ok(self.base.get_or_init(|| loaded))
    }

    /// The account before the block, if somebody has loaded it.
    pub(crate) fn known_base(&self) -> Option<&Option<AccountInfo>> {
        self.base.get()
    }

    /// Whether it existed before the block without anything in it.
    pub(crate) fn was_empty(&self) -> bool {
        self.base.get().is_some_and(|base| base.as_ref().is_some_and(AccountInfo::is_empty))
    }

    /// The account as `seq` sees it, its code left out: handing out codes costs threads more than the rest.
    pub(crate) fn bare_at(&self, seq: Seq, base: &Option<AccountInfo>) -> Option<AccountInfo> {
        if !self.written.load(Ordering::Acquire) {
            return base.as_ref().map(AccountInfo::copy_without_code);
        }
        let versions = self.versions.lock();
        let mut account =
            versions.folded.as_ref().unwrap_or(base).as_ref().map(AccountInfo::copy_without_code);
        for (_, write) in versions.list.iter().take_while(|(by, _)| *by < seq) {
            write.apply_bare(&mut account);
        }
        account
    }

    /// The account as `seq` sees it.
    pub(crate) fn at(&self, seq: Seq, base: &Option<AccountInfo>) -> Option<AccountInfo> {
        if !self.written.load(Ordering::Acquire) {
            return base.clone();
        }
        let versions = self.versions.lock();
        let mut account = versions.folded.as_ref().unwrap_or(base).clone();
        for (_, write) in versions.list.iter().take_while(|(by, _)| *by < seq) {
            write.apply(&mut account);
        }
        account
    }

    /// The account before the block and after everything, and whether it was gone in between; `None` if nothing
    /// happened to it or its storage.
    pub(crate) fn change(&self) -> Option<(Option<AccountInfo>, Option<AccountInfo>, bool)> {
        let base = self.base.get()?;
        let versions = self.versions.lock();
        let mut account = versions.folded.as_ref().unwrap_or(base).clone();
        let mut gone = versions.gone;
        for (_, write) in &versions.list {
            gone |= write.apply(&mut account);
        }
        Some((base.clone(), account, gone))
    }

    /// Makes a write visible to younger transactions, instead of an earlier one by the same. `retired`: everybody
    /// below is final.
    pub(crate) fn publish(&self, by: Seq, write: AccountWrite, retired: Seq) {
        let mut versions = self.versions.lock();
        if write.wipe {
            insert_sorted(&mut versions.wipes, by);
            self.wiped.store(true, Ordering::Release);
        }
        let place = versions.list.partition_point(|(seq, _)| *seq < by);
        if versions.list.get(place).is_some_and(|(seq, _)| *seq == by) {
            versions.list[place].1 = write;
        } else {
            versions.list.insert(place, (by, write));
        }
        if versions.list.len() > FOLD_ABOVE {
            self.fold(&mut versions, retired);
        }
        self.written.store(true, Ordering::Release);
    }

    fn fold(&self, versions: &mut AccountVersions, retired: Seq) {
        let count = versions.list.partition_point(|(seq, _)| *seq < retired);
        let Some(base) = self.base.get().filter(|_| count > FOLD_ABOVE / 2) else { return };
        let mut account = versions.folded.take().unwrap_or_else(|| base.clone());
        let mut gone = false;
        for (_, write) in versions.list.drain(..count) {
            gone |= write.apply(&mut account);
        }
        versions.gone |= gone;
        versions.folded = Some(account);
    }

    /// Takes back what `by` published.
    pub(crate) fn withdraw(&self, by: Seq) {
        let mut versions = self.versions.lock();
        versions.list.retain(|(seq, _)| *seq != by);
        versions.wipes.retain(|seq| *seq != by);
    }

    /// The youngest that wiped the storage before `seq`.
    pub(crate) fn wiped_before(&self, seq: Seq) -> Option<Seq> {
        if !self.wiped.load(Ordering::Acquire) {
            return None;
        }
        self.versions.lock().wipes.iter().rev().find(|by| **by < seq).copied()
    }

    /// Gives the cell what the account was before the block.
    pub(crate) fn set_base(&self, base: Option<AccountInfo>) {
        let _ = self.base.set(base);
    }
}

fn insert_sorted(list: &mut SmallVec<[Seq; 1]>, seq: Seq) {
    if let Err(place) = list.binary_search(&seq) {
        list.insert(place, seq);
    }
}

#[derive(Debug, Default)]
struct SlotVersions {
    folded: Option<(Seq, U256)>,
    list: SmallVec<[(Seq, U256); 1]>,
}

/// One storage slot.
#[derive(Debug)]
pub(crate) struct SlotCell {
    /// Index of its account's cell.
    pub(crate) account: u32,
    pub(crate) slot: U256,
    base: OnceLock<U256>,
    written: AtomicBool,
    versions: Mutex<SlotVersions>,
}

impl SlotCell {
    const fn new(account: u32, slot: U256) -> Self {
        Self {
            account,
            slot,
            base: OnceLock::new(),
            written: AtomicBool::new(false),
            versions: Mutex::new(SlotVersions { folded: None, list: SmallVec::new_const() }),
        }
    }

    /// The value before the block, loaded once.
    pub(crate) fn base<E>(&self, load: impl FnOnce() -> Result<U256, E>) -> Result<U256, E> {
        if let Some(base) = self.base.get() {
            return Ok(*base);
        }
        let loaded = load()?;
        Ok(*self.base.get_or_init(|| loaded))
    }

    /// The value before the block and after everything, if it was written.
    pub(crate) fn change(&self, account: &AccountCell) -> Option<(U256, U256)> {
        let (by, written) = self.written_before(END)?;
        let wipe = account.wiped_before(END);
        let after = if wipe.is_some_and(|wipe| by < wipe) { U256::ZERO } else { written };
        // A new storage begins with zeros; any other slot was read before it was written.
        let before = if wipe.is_some() { U256::ZERO } else { self.base.get().copied().unwrap_or_default() };
        Some((before, after))
    }

    /// Gives the cell what the slot was before the block.
    pub(crate) fn set_base(&self, base: U256) {
        let _ = self.base.set(base);
    }

    /// The youngest write older than `seq`, with its author.
    fn written_before(&self, seq: Seq) -> Option<(Seq, U256)> {
        if !self.written.load(Ordering::Acquire) {
            return None;
        }
        let versions = self.versions.lock();
        versions.list.iter().rev().find(|(by, _)| *by < seq).copied().or(versions.folded)
    }

    /// The value as `seq` sees it.
    pub(crate) fn at<E>(
        &self,
        seq: Seq,
        account: &AccountCell,
        load: impl FnOnce() -> Result<U256, E>,
    ) -> Result<U256, E> {
        let written = self.written_before(seq);
        if let Some(wipe) = account.wiped_before(seq) {
            return Ok(written.filter(|(by, _)| *by >= wipe).map_or(U256::ZERO, |(_, value)| value));
        }
        match written {
            Some((_, value)) => Ok(value),
            None => self.base(load),
        }
    }

    /// Makes a write visible to younger transactions, instead of an earlier one by the same.
    pub(crate) fn publish(&self, by: Seq, value: U256, retired: Seq) {
        let mut versions = self.versions.lock();
        let place = versions.list.partition_point(|(seq, _)| *seq < by);
        if versions.list.get(place).is_some_and(|(seq, _)| *seq == by) {
            versions.list[place].1 = value;
        } else {
            versions.list.insert(place, (by, value));
        }
        if versions.list.len() > FOLD_ABOVE {
            let count = versions.list.partition_point(|(seq, _)| *seq < retired);
            if let Some(last) = count.checked_sub(1) {
                versions.folded = Some(versions.list[last]);
                versions.list.drain(..count);
            }
        }
        self.written.store(true, Ordering::Release);
    }

    /// Takes back what `by` published.
    pub(crate) fn withdraw(&self, by: Seq) {
        self.versions.lock().list.retain(|(seq, _)| *seq != by);
    }
}

/// All cells of a block, and the index that finds them by exact key.
pub(crate) struct Cells {
    accounts: Arena<AccountCell>,
    slots: Arena<SlotCell>,
    hasher: DefaultHashBuilder,
    account_index: Box<[Mutex<HashTable<u32>>]>,
    slot_index: Box<[Mutex<HashTable<u32>>]>,
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells")
            .field("accounts", &self.accounts.len())
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl Default for Cells {
    fn default() -> Self {
        let shards = || (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            accounts: Arena::default(),
            slots: Arena::default(),
            hasher: DefaultHashBuilder::default(),
            account_index: shards(),
            slot_index: shards(),
        }
    }
}

impl Cells {
    pub(crate) fn account(&self, id: u32) -> &AccountCell {
        self.accounts.get(id)
    }

    pub(crate) fn slot(&self, id: u32) -> &SlotCell {
        self.slots.get(id)
    }

    /// The cell of an account, made if there is none.
    pub(crate) fn account_id(&self, address: &Address) -> u32 {
        let hash = self.hasher.hash_one(address);
        let mut index = self.account_index[shard(hash)].lock();
        let entry = index.entry(
            hash,
            |id| self.account(*id).address == *address,
            |id| self.hasher.hash_one(self.account(*id).address),
        );
        *entry.or_insert_with(|| self.accounts.push(AccountCell::new(*address))).get()
    }

    /// The cell of an account, if there is one.
    pub(crate) fn find_account(&self, address: &Address) -> Option<u32> {
        let hash = self.hasher.hash_one(address);
        let index = self.account_index[shard(hash)].lock();
        index.find(hash, |id| self.account(*id).address == *address).copied()
    }

    /// The cell of a slot, made if there is none.
    pub(crate) fn slot_id(&self, account: u32, slot: U256) -> u32 {
        let hash = self.slot_hash(account, slot);
        let mut index = self.slot_index[shard(hash)].lock();
        let entry = index.entry(
            hash,
            |id| {
                let cell = self.slot(*id);
                cell.account == account && cell.slot == slot
            },
            |id| {
                let cell = self.slot(*id);
                self.slot_hash(cell.account, cell.slot)
            },
        );
        *entry.or_insert_with(|| self.slots.push(SlotCell::new(account, slot))).get()
    }

    /// The cell of a slot, if there is one.
    pub(crate) fn find_slot(&self, account: u32, slot: U256) -> Option<u32> {
        let hash = self.slot_hash(account, slot);
        let index = self.slot_index[shard(hash)].lock();
        index
            .find(hash, |id| {
                let cell = self.slot(*id);
                cell.account == account && cell.slot == slot
            })
            .copied()
    }

    fn slot_hash(&self, account: u32, slot: U256) -> u64 {
        self.hasher.hash_one((account, slot.as_limbs()))
    }

    /// Every account that somebody asked for.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = (u32, &AccountCell)> {
        self.accounts.iter()
    }

    /// Whether a block was of a usual size, so that the next one may need the memory.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        (1..=MAX_KEPT).contains(&self.accounts.len()) && self.slots.len() <= MAX_KEPT
    }

    /// Forgets everything, keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
        self.account_index.iter_mut().chain(&mut self.slot_index).for_each(|index| index.get_mut().clear());
    }

    /// Every slot that somebody asked for.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u32, &SlotCell)> {
        self.slots.iter()
    }
}

fn shard(hash: u64) -> usize {
    // The table uses the top seven bits and the low ones.
    (hash >> 40) as usize % SHARDS
}
