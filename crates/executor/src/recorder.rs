//! What transactions touch, seen from one thread.

use alloy_primitives::{Address, B256, U256};
use lockstep_locks::{AccessSet, Key, Mode};
use revm::{
    Database,
    bytecode::Bytecode,
    context::Transaction,
    state::{Account, AccountInfo, EvmState},
};

use crate::{
    Watch,
    flat::{Base, Flat, has_no_code},
    serial::OnFlat,
};

/// A database that writes down what a transaction observes and changes.
#[derive(Debug)]
pub(crate) struct Recorder<'a, B> {
    flat: &'a mut Flat<B>,
    fee_accounts: &'a [Address],
    access: AccessSet,
    caller: Address,
    /// Of these two the EVM needs the code.
    callee: Option<Address>,
    delegate: Option<Address>,
    /// Accounts that the EVM loads of itself may be those of authorities (EIP-7702).
    authorizes: bool,
    /// Only the code of what is loaded matters.
    announced: bool,
}

impl<'a, B: Base> Recorder<'a, B> {
    pub(crate) fn new(flat: &'a mut Flat<B>, fee_accounts: &'a [Address]) -> Self {
        Self {
            flat,
            fee_accounts,
            access: AccessSet::default(),
            caller: Address::ZERO,
            callee: None,
            delegate: None,
            authorizes: false,
            announced: false,
        }
    }

    /// Whether nothing but the code of `address`, which is about to be loaded, matters at first.
    fn is_for_code(&self, address: Address) -> bool {
        let expected = || {
            self.callee == Some(address)
                || self.delegate == Some(address)
                || self.fee_accounts.contains(&address)
        };
        address != self.caller && (self.announced || (!self.authorizes && expected()))
    }

    fn wrote(&mut self, address: Address, account: &Account) {
        if account.is_selfdestructed() || account.is_created() {
            for key in [Key::Code(address), Key::Nonce(address), Key::Balance(address)] {
                self.access.add(key, Mode::Exclusive);
            }
        } else {
            let was = self.flat.account(address).unwrap_or_default();
            if was.code_hash != account.info.code_hash {
                self.access.add(Key::Code(address), Mode::Exclusive);
            }
            if was.nonce != account.info.nonce {
                self.access.add(Key::Nonce(address), Mode::Exclusive);
            }
            if was.balance != account.info.balance {
                self.access.add(Key::Balance(address), Mode::Delta);
            }
        }
        if !account.is_selfdestructed() {
            for (slot, _) in account.storage.iter().filter(|(_, value)| value.is_changed()) {
                self.access.add(Key::Slot(address, *slot), Mode::Exclusive);
            }
        }
    }

    /// Whether `key` is there because a fee was paid to it and for no other reason: nobody waits for that.
    fn is_fee(&self, key: &Key) -> bool {
        let (Key::Balance(address) | Key::Code(address) | Key::Nonce(address)) = key else { return false };
        self.fee_accounts.contains(address)
            && self.access.mode(&Key::Balance(*address)) == Some(Mode::Delta)
            && self.access.mode(&Key::Nonce(*address)).is_none()
            && self.access.mode(&Key::Code(*address)) == Some(Mode::Shared)
    }
}

impl<B: Base> OnFlat<B> for Recorder<'_, B> {
    fn flat(&mut self) -> &mut Flat<B> {
        self.flat
    }

    fn start(&mut self, tx: &impl Transaction) {
        self.access.clear();
        self.caller = tx.caller();
        self.callee = tx.kind().to().copied();
        self.delegate = None;
        self.authorizes = tx.authorization_list_len() > 0;
        self.announced = false;
    }

    fn ran(&mut self, state: &EvmState) {
        for (address, account) in state.iter().filter(|(_, account)| account.is_touched()) {
            self.wrote(*address, account);
        }
    }

    fn take_access(&mut self) -> Option<AccessSet> {
        let access = self.access.iter().filter(|(key, _)| !self.is_fee(key)).collect();
        self.access.clear();
        Some(access)
    }
}

impl<B: Base> Database for Recorder<'_, B> {
    type Error = B::Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, B::Error> {
        self.access.add(Key::Code(address), Mode::Shared);
        if address == self.caller {
            // That it can pay is checked again when it does.
            self.access.add(Key::Nonce(address), Mode::Shared);
        } else if !self.is_for_code(address) {
            self.observed(address);
        }
        let account = self.flat.basic(address)?;
        if self.callee == Some(address)
            && let Some(info) = account.as_ref().filter(|info| !has_no_code(info))
        {
            let code = match &info.code {
                Some(code) => code.clone(),
                None => self.flat.code_by_hash(info.code_hash)?,
            };
            self.delegate = code.eip7702_address();
        }
        Ok(account)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, B::Error> {
        self.flat.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, B::Error> {
        self.access.add(Key::Slot(address, slot), Mode::Shared);
        self.flat.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, B::Error> {
        self.flat.block_hash(number)
    }
}

impl<B: Base> Watch for Recorder<'_, B> {
    fn loading_code(&mut self) {
        self.announced = true;
    }

    fn loaded(&mut self) {
        self.announced = false;
    }

    fn observed(&mut self, address: Address) {
        self.access.add(Key::Balance(address), Mode::Shared);
        self.access.add(Key::Nonce(address), Mode::Shared);
    }

    fn observed_nonce(&mut self, address: Address) {
        self.access.add(Key::Nonce(address), Mode::Shared);
    }

    fn observed_enough(&mut self, address: Address, now: U256, wei: U256) {
        // What suffices may become more or less: whether it still does is checked when it is taken.
        if now < wei {
            self.access.add(Key::Balance(address), Mode::Shared);
        }
    }

    fn observed_emptiness(&mut self, address: Address, now: U256) {
        let is_kept = |info: &AccountInfo| info.nonce != 0 || !has_no_code(info);
        if now.is_zero() && !self.flat.account(address).as_ref().is_some_and(is_kept) {
            self.observed(address);
        }
    }
}
