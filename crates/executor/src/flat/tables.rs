//! What a flat cache holds.

use std::{
    convert::Infallible,
    hash::{Hash, Hasher},
};

use alloy_primitives::{
    Address, B256, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map, Entry, HashMap},
};
use revm::{
    bytecode::Bytecode,
    state::{Account, AccountInfo},
};

use crate::{
    Transfer,
    changes::{AccountChange, Changes, SlotChange},
};

/// Accounts above which memory is given back after a block; about 20 MB with their slots.
const MAX_KEPT_ACCOUNTS: usize = 1 << 16;
/// The same for slots.
const MAX_KEPT_SLOTS: usize = 1 << 17;

/// Accounts, slots, codes and block hashes, as they were and as they are.
#[derive(Debug, Default)]
pub(super) struct Tables {
    places: AddressMap<u32>,
    accounts: Vec<Cached>,
    slots: HashMap<SlotKey, SlotValue>,
    /// Which account a storage is of.
    storages: Vec<u32>,
    pub(super) codes: B256Map<Bytecode>,
    pub(super) hashes: HashMap<u64, B256>,
    /// The account whose slot was read last.
    pub(super) last: Option<(Address, u32)>,
}

/// An account.
#[derive(Debug)]
struct Cached {
    address: Address,
    /// Number of its storage. Whoever loses his storage gets a new one.
    storage: u32,
    /// Nothing of the base's storage counts: slots without a value are zero.
    fresh: bool,
    /// It was gone at some point.
    destroyed: bool,
    /// Before the block.
    before: Option<Fields>,
    now: Option<Fields>,
    /// The code that it has now, if that was seen.
    code: Option<Bytecode>,
}

/// An account without its code.
#[derive(Clone, Copy, Debug)]
struct Fields {
    balance: U256,
    nonce: u64,
    code_hash: B256,
}

impl Fields {
    const EMPTY: Self = Self { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY };

    const fn of(info: &AccountInfo) -> Self {
        Self { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
    }

    fn into_info(self) -> AccountInfo {
        let Self { balance, nonce, code_hash } = self;
        AccountInfo { balance, nonce, code_hash, account_id: None, code: None }
    }

    fn has_no_code(&self) -> bool {
        self.code_hash == KECCAK256_EMPTY || self.code_hash.is_zero()
    }

    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.has_no_code()
    }
}

/// A slot of a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SlotKey {
    storage: u32,
    slot: U256,
}

impl Hash for SlotKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d] = self.slot.into_limbs();
        state.write_u64(a);
        state.write_u64(b);
        state.write_u64(c);
        state.write_u64(d);
        state.write_u32(self.storage);
    }
}

/// A slot's value.
#[derive(Clone, Copy, Debug)]
struct SlotValue {
    before: U256,
    now: U256,
}

impl Tables {
    /// Where `address` is kept, if it is.
    #[inline]
    pub(super) fn find(&self, address: &Address) -> Option<u32> {
        self.places.get(address).copied()
    }

    #[inline]
    fn of(&self, place: u32) -> &Cached {
        &self.accounts[place as usize]
    }

    #[inline]
    fn of_mut(&mut self, place: u32) -> &mut Cached {
        &mut self.accounts[place as usize]
    }

    /// The account as it is, for an EVM.
    #[inline]
    pub(super) fn info(&self, place: u32) -> Option<AccountInfo> {
        let cached = self.of(place);
        let Fields { balance, nonce, code_hash } = cached.now?;
        let code = cached.code.clone();
        Some(AccountInfo { balance, nonce, code_hash, account_id: Some(place as usize), code })
    }

    /// Where `address` is kept, after `read` of the base if it was not.
    #[inline]
    pub(super) fn find_or<E>(
        &mut self,
        address: Address,
        read: impl FnOnce() -> Result<Option<AccountInfo>, E>,
    ) -> Result<u32, E> {
        match self.places.entry(address) {
            Entry::Occupied(place) => Ok(*place.get()),
            Entry::Vacant(vacant) => {
                let info = read()?;
                let place =
                    u32::try_from(self.accounts.len()).expect("a block touches fewer than 2^32 accounts");
                let before = info.as_ref().map(Fields::of);
                vacant.insert(place);
                self.accounts.push(Cached {
                    address,
                    storage: new_storage(&mut self.storages, place),
                    fresh: before.is_none(),
                    destroyed: false,
                    before,
                    now: before,
                    code: info.and_then(|info| info.code),
                });
                Ok(place)
            }
        }
    }

    /// The value of a slot, after `read` of the base if it was not known.
    #[inline]
    pub(super) fn slot_or<E>(
        &mut self,
        place: u32,
        slot: U256,
        read: impl FnOnce() -> Result<U256, E>,
    ) -> Result<U256, E> {
        let cached = &self.accounts[place as usize];
        match self.slots.entry(SlotKey { storage: cached.storage, slot }) {
            Entry::Occupied(value) => Ok(value.get().now),
            Entry::Vacant(_) if cached.fresh => Ok(U256::ZERO),
            Entry::Vacant(vacant) => {
                let value = read()?;
                vacant.insert(SlotValue { before: value, now: value });
                Ok(value)
            }
        }
    }

    /// Takes over an account that a transaction touched, and its code out of it.
    pub(super) fn commit(&mut self, address: Address, account: &mut Account) {
        let place = self.committed_place(address, account.info.account_id);
        if account.is_selfdestructed() {
            return self.destroy(place);
        }
        let now = Fields::of(&account.info);
        if account.is_created() {
            self.forget_storage(place);
        } else if now.is_empty() {
            return self.destroy(place);
        }
        let cached = self.of_mut(place);
        if cached.code.is_none() || cached.now.is_none_or(|was| was.code_hash != now.code_hash) {
            cached.code = account.info.code.take();
        }
        cached.now = Some(now);
        for (slot, value) in account.storage.iter().filter(|(_, value)| value.is_changed()) {
            self.write(place, *slot, value.original_value, value.present_value);
        }
    }

    #[inline]
    fn committed_place(&self, address: Address, hint: Option<usize>) -> u32 {
        let is_hers = |hint: &u32| self.accounts.get(*hint as usize).is_some_and(|it| it.address == address);
        let hinted = hint.and_then(|hint| u32::try_from(hint).ok()).filter(is_hers);
        hinted.unwrap_or_else(|| self.places[&address])
    }

    /// The account is gone, with its storage.
    fn destroy(&mut self, place: u32) {
        let cached = self.of_mut(place);
        cached.code = None;
        if cached.now.take().is_some() {
            cached.destroyed = true;
            self.forget_storage(place);
        }
    }

    /// Every slot is zero from here on.
    fn forget_storage(&mut self, place: u32) {
        let storage = new_storage(&mut self.storages, place);
        let cached = self.of_mut(place);
        cached.storage = storage;
        cached.fresh = true;
    }

    fn write(&mut self, place: u32, slot: U256, before: U256, now: U256) {
        let cached = self.of(place);
        let before = if cached.fresh { U256::ZERO } else { before };
        let key = SlotKey { storage: cached.storage, slot };
        self.slots.entry(key).or_insert(SlotValue { before, now }).now = now;
    }

    /// Takes over changes that were made on top of the state as it is here.
    pub(super) fn apply(&mut self, changes: Changes) {
        self.codes.extend(changes.codes);
        for (address, change) in changes.accounts {
            let before = change.before;
            let Ok(place) = self.find_or(address, || Ok::<_, Infallible>(before));
            if change.wiped {
                self.destroy(place);
            }
            let cached = self.of_mut(place);
            let now = change.after.as_ref().map(Fields::of);
            if now.map(|now| now.code_hash) != cached.now.map(|was| was.code_hash) {
                cached.code = None;
            }
            cached.now = now;
            for slot in change.slots {
                self.write(place, slot.slot, slot.before, slot.after);
            }
        }
    }

    /// Carries out a plain transfer, if the state allows it; otherwise nothing happens. `paid` are the places of those
    /// who receive its rewards.
    pub(super) fn transfer(
        &mut self,
        sender: u32,
        recipient: u32,
        transfer: &Transfer,
        paid: &[u32],
    ) -> bool {
        let Some((left, received)) = self.checked(sender, recipient, transfer) else { return false };
        let account = self.of_mut(sender).now.get_or_insert(Fields::EMPTY);
        account.nonce = transfer.nonce + 1;
        account.balance = left;
        if let Some(received) = received {
            self.of_mut(recipient).now.get_or_insert(Fields::EMPTY).balance = received;
        }
        for (place, reward) in paid.iter().zip(&transfer.rewards).filter(|(_, reward)| !reward.is_zero()) {
            let account = self.of_mut(*place).now.get_or_insert(Fields::EMPTY);
            // As revm pays fees: a balance that would leave 256 bits stays.
            account.balance = account.balance.checked_add(*reward).unwrap_or(account.balance);
        }
        // A touch ends an empty account (EIP-161).
        for place in paid.iter().chain([&recipient]) {
            if self.of(*place).now.is_some_and(|account| account.is_empty()) {
                self.destroy(*place);
            }
        }
        true
    }

    /// Balances of sender and recipient after `transfer`, if it may take place without an EVM; no balance for the
    /// recipient if that does not change.
    fn checked(&self, sender: u32, recipient: u32, transfer: &Transfer) -> Option<(U256, Option<U256>)> {
        let account = |place: u32| self.of(place).now.unwrap_or(Fields::EMPTY);
        let (from, to) = (account(sender), account(recipient));
        let fits = from.has_no_code()
            && to.has_no_code()
            && from.nonce == transfer.nonce
            && from.nonce != u64::MAX
            && from.balance >= transfer.max_cost;
        if !fits {
            return None;
        }
        let after_fee = from.balance.checked_sub(transfer.fee)?;
        let left = after_fee.checked_sub(transfer.value)?;
        if sender == recipient {
            return Some((after_fee, None));
        }
        if transfer.value.is_zero() {
            return Some((left, None));
        }
        Some((left, Some(to.balance.checked_add(transfer.value)?)))
    }

    /// What is different now.
    pub(super) fn changes(&self) -> Changes {
        let mut slots: Vec<Vec<SlotChange>> = Vec::new();
        slots.resize_with(self.accounts.len(), Vec::new);
        for (key, value) in &self.slots {
            let place = self.storages[key.storage as usize] as usize;
            if self.accounts[place].storage == key.storage && value.before != value.now {
                slots[place].push(SlotChange { slot: key.slot, before: value.before, after: value.now });
            }
        }
        let mut changes = Changes::default();
        for (cached, slots) in self.accounts.iter().zip(slots) {
            let Cached { address, destroyed, before, now, code, .. } = cached;
            let info = |fields: &Option<Fields>| fields.map(Fields::into_info);
            if let Some(change) = AccountChange::new(info(before), info(now), *destroyed, slots) {
                changes
                    .insert(*address, change, |hash| code.clone().or_else(|| self.codes.get(hash).cloned()));
            }
        }
        changes
    }

    /// What is different now. Nothing is left here.
    pub(super) fn take_changes(&mut self) -> Changes {
        let changes = self.changes();
        self.clear();
        changes
    }

    /// Whether the memory is neither nothing nor too much.
    pub(super) fn is_worth_keeping(&self) -> bool {
        (1..=MAX_KEPT_ACCOUNTS).contains(&self.accounts.capacity())
            && self.storages.capacity() <= 2 * MAX_KEPT_ACCOUNTS
            && self.slots.capacity() <= MAX_KEPT_SLOTS
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.accounts.clear();
        self.slots.clear();
        self.storages.clear();
        self.codes.clear();
        self.hashes.clear();
        self.last = None;
    }
}

/// The number of a new storage of the account at `place`.
fn new_storage(storages: &mut Vec<u32>, place: u32) -> u32 {
    let storage = u32::try_from(storages.len()).expect("a block makes fewer than 2^32 storages");
    storages.push(place);
    storage
}

/// Whether an account has no code.
pub(crate) fn has_no_code(info: &AccountInfo) -> bool {
    info.code_hash == KECCAK256_EMPTY || info.code_hash.is_zero()
}
