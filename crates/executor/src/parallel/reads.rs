//! What one execution saw, and how much of it mattered.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use lockstep_locks::{AccessSet, Key, Mode};
use smallvec::SmallVec;

use super::cells::{AccountWrite, BalanceWrite, Cells};
use crate::predict::Preimages;

/// Sums beyond this are ordered like any other value: below, no sum of deltas of one block leaves 256 bits.
///
/// 2^192 wei is more than 10^39 ether. Fewer than 2^32 deltas below 2^192 on a balance below 2^192 stay below 2^225.
pub(crate) const HUGE: U256 = U256::from_limbs([0, 0, 0, 1]);

/// How much of a nonce execution observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NonceSeen {
    No,
    /// That it is not zero.
    Used,
    Exactly,
}

/// How much of a balance execution observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BalanceSeen {
    No,
    /// That it suffices for this much.
    AtLeast(U256),
    Exactly,
}

/// An account that was loaded. Its code hash always counts as observed.
#[derive(Clone, Debug)]
pub(crate) struct AccountRead {
    pub(crate) cell: u32,
    pub(crate) address: Address,
    pub(crate) exists: bool,
    pub(crate) balance: U256,
    pub(crate) nonce: u64,
    pub(crate) code_hash: B256,
    pub(crate) has_code: bool,
    pub(crate) nonce_seen: NonceSeen,
    pub(crate) balance_seen: BalanceSeen,
    /// Position among the fee accounts, if it is one.
    pub(crate) fee: Option<u8>,
    /// It was loaded to be paid a fee, and nothing of it was looked at.
    pub(crate) passive: bool,
    /// It was left empty before EIP-161: to touch it ends it, unless it is empty no more. No key stands for that.
    pub(crate) left_empty: bool,
    /// Whether a lock was held, or taken on the way, for what the load counted as observed.
    pub(crate) code_covered: bool,
    pub(crate) nonce_covered: bool,
    pub(crate) balance_covered: bool,
}

impl AccountRead {
    /// Whether it was empty (EIP-161) when it was loaded, or not there.
    pub(crate) fn is_empty(&self) -> bool {
        let has_no_code = self.code_hash == KECCAK256_EMPTY || self.code_hash.is_zero();
        has_no_code && self.nonce == 0 && self.balance.is_zero()
    }

    /// Whether locks make it certain that nothing older changes what was observed.
    pub(crate) fn is_covered(&self) -> bool {
        !self.left_empty
            && (self.code_covered || self.passive)
            && (self.nonce_covered || self.nonce_seen != NonceSeen::Exactly)
            && (self.balance_covered || self.balance_seen != BalanceSeen::Exactly)
    }
}

/// A slot that was loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotRead {
    pub(crate) cell: u32,
    /// Cell of its account.
    pub(crate) account: u32,
    pub(crate) slot: U256,
    pub(crate) value: U256,
    pub(crate) covered: bool,
}

/// What an execution wrote: cells of accounts with the kinds of write, and cells of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Account { cell: u32, balance: Option<Mode>, nonce: bool, code: bool },
    Slot { cell: u32, account: u32, slot: U256 },
}

impl Written {
    pub(crate) const fn account(cell: u32, write: &AccountWrite) -> Self {
        let balance = match write.balance {
            BalanceWrite::Keep => None,
            BalanceWrite::Add(_) => Some(Mode::Delta),
            BalanceWrite::Set(_) => Some(Mode::Exclusive),
        };
        Self::Account {
            cell,
            balance,
            nonce: write.nonce.is_some(),
            code: write.code.is_some() || write.wipe,
        }
    }
}

/// Locks that a transaction holds on one account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccountGrant {
    pub(crate) cell: u32,
    pub(crate) address: Address,
    pub(crate) balance: Option<Mode>,
    pub(crate) nonce: Option<Mode>,
    pub(crate) code: Option<Mode>,
}

/// Lock that a transaction holds on one slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotGrant {
    pub(crate) cell: u32,
    pub(crate) account: u32,
    pub(crate) slot: U256,
    pub(crate) mode: Mode,
    /// Taken on the way: younger transactions may have passed, so it covers reads only.
    pub(crate) late: bool,
}

/// Slots up to which a scan is faster than a hash.
const SCAN: usize = 12;

/// Locks that a transaction holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    pub(crate) accounts: SmallVec<[AccountGrant; 4]>,
    /// Sorted by cell if there are more than a scan takes.
    pub(crate) slots: SmallVec<[SlotGrant; 4]>,
}

impl Grants {
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
    }

    /// Finds the cells of everything in `set`.
    pub(crate) fn fill(&mut self, set: &AccessSet, cells: &Cells) {
        for (key, mode) in set.iter() {
            match key {
                Key::Balance(address) => self.account_mut(address, cells).balance = Some(mode),
                Key::Nonce(address) => self.account_mut(address, cells).nonce = Some(mode),
                Key::Code(address) => self.account_mut(address, cells).code = Some(mode),
                Key::Slot(address, slot) => {
                    let account = match self.account(&address) {
                        Some(grant) => grant.cell,
                        None => cells.account_id(&address),
                    };
                    let cell = cells.slot_id(account, slot);
                    self.slots.push(SlotGrant { cell, account, slot, mode, late: false });
                }
            }
        }
        self.seal();
    }

    fn account_mut(&mut self, address: Address, cells: &Cells) -> &mut AccountGrant {
        let found = self.accounts.iter().position(|grant| grant.address == address);
        let place = found.unwrap_or_else(|| {
            let cell = cells.account_id(&address);
            self.accounts.push(AccountGrant { cell, address, balance: None, nonce: None, code: None });
            self.accounts.len() - 1
        });
        &mut self.accounts[place]
    }

    fn seal(&mut self) {
        if self.slots.len() > SCAN {
            self.slots.sort_unstable_by_key(|grant| grant.cell);
        }
    }

    pub(crate) fn account(&self, address: &Address) -> Option<&AccountGrant> {
        self.accounts.iter().find(|grant| grant.address == *address)
    }

    pub(crate) fn account_cell(&self, cell: u32) -> Option<&AccountGrant> {
        self.accounts.iter().find(|grant| grant.cell == cell)
    }

    /// The grant for a slot, if few enough that a scan finds it without its cell.
    pub(crate) fn scan_slot(&self, account: u32, slot: U256) -> Option<&SlotGrant> {
        (self.slots.len() <= SCAN)
            .then(|| self.slots.iter().find(|grant| grant.slot == slot && grant.account == account))
            .flatten()
    }

    pub(crate) fn slot_cell(&self, cell: u32) -> Option<&SlotGrant> {
        if self.slots.len() <= SCAN {
            return self.slots.iter().find(|grant| grant.cell == cell);
        }
        let found = self.slots.binary_search_by_key(&cell, |grant| grant.cell).ok()?;
        Some(&self.slots[found])
    }

    /// Adds a slot taken on the way.
    pub(crate) fn add_late(&mut self, grant: SlotGrant) {
        if self.slots.len() < SCAN {
            self.slots.push(grant);
            return;
        }
        if self.slots.len() == SCAN {
            self.slots.sort_unstable_by_key(|grant| grant.cell);
        }
        let place = self.slots.partition_point(|held| held.cell < grant.cell);
        self.slots.insert(place, grant);
    }
}

/// Everything that one execution saw and did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    pub(crate) accounts: Vec<AccountRead>,
    pub(crate) slots: Vec<SlotRead>,
    pub(crate) writes: Vec<Written>,
    /// What each fee account received, modulo 2^256.
    pub(crate) rewards: SmallVec<[U256; 4]>,
    /// Preimages of hashes, if they were wanted.
    pub(crate) preimages: Preimages,
}

impl Footprint {
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.slots.clear();
        self.writes.clear();
        self.rewards.clear();
        self.preimages.clear();
    }

    pub(crate) fn account(&mut self, address: &Address) -> Option<&mut AccountRead> {
        self.accounts.iter_mut().rev().find(|read| read.address == *address)
    }

    /// How much was loaded without a lock.
    pub(crate) fn uncovered(&self) -> u32 {
        let accounts = self.accounts.iter().filter(|read| !read.is_covered()).count();
        let slots = self.slots.iter().filter(|read| !read.covered).count();
        u32::try_from(accounts + slots).unwrap_or(u32::MAX)
    }

    /// Whether a contract paid out what it must still have at the transaction's turn.
    pub(crate) fn spends(&self) -> bool {
        let owes =
            |read: &AccountRead| matches!(read.balance_seen, BalanceSeen::AtLeast(wei) if !wei.is_zero());
        self.accounts.iter().any(|read| read.has_code && owes(read))
    }

    fn address_of(&self, cell: u32) -> Option<Address> {
        self.accounts.iter().find(|read| read.cell == cell).map(|read| read.address)
    }

    /// Every key with the mode that locks would have needed.
    pub(crate) fn keys(&self, mut each: impl FnMut(Key, Mode)) {
        for read in self.accounts.iter().filter(|read| !read.passive) {
            each(Key::Code(read.address), Mode::Shared);
            if read.nonce_seen == NonceSeen::Exactly {
                each(Key::Nonce(read.address), Mode::Shared);
            }
            if read.balance_seen == BalanceSeen::Exactly {
                each(Key::Balance(read.address), Mode::Shared);
            }
        }
        for read in &self.slots {
            if let Some(address) = self.address_of(read.account) {
                each(Key::Slot(address, read.slot), Mode::Shared);
            }
        }
        for write in &self.writes {
            match *write {
                Written::Account { cell, balance, nonce, code } => {
                    let Some(address) = self.address_of(cell) else { continue };
                    if let Some(mode) = balance {
                        each(Key::Balance(address), mode);
                    }
                    if nonce {
                        each(Key::Nonce(address), Mode::Exclusive);
                    }
                    if code {
                        each(Key::Code(address), Mode::Exclusive);
                    }
                }
                Written::Slot { account, slot, .. } => {
                    if let Some(address) = self.address_of(account) {
                        each(Key::Slot(address, slot), Mode::Exclusive);
                    }
                }
            }
        }
    }

    /// Every slot that was read and not written, with its value if that is not zero.
    pub(crate) fn unwritten(&self, mut each: impl FnMut(Address, U256, U256)) {
        for read in self.slots.iter().filter(|read| !read.value.is_zero()) {
            let written = |write: &Written| matches!(write, Written::Slot { cell, .. } if *cell == read.cell);
            if let Some(address) = self.address_of(read.account)
                && !self.writes.iter().any(written)
            {
                each(address, read.slot, read.value);
            }
        }
    }

    /// [`Self::keys`] as a set.
    pub(crate) fn access_set(&self) -> AccessSet {
        let mut set = AccessSet::default();
        self.keys(|key, mode| set.add(key, mode));
        set
    }
}
