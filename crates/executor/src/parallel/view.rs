//! The state as one transaction sees it, and what it looks at.

use std::{error::Error, fmt};

use alloy_primitives::{Address, B256, U256};
use lockstep_locks::{Mode, TxIndex};
use revm::{
    Database, DatabaseRef,
    bytecode::Bytecode,
    context::Transaction,
    database_interface::DBErrorMarker,
    primitives::{KECCAK_EMPTY, TxKind},
    state::AccountInfo,
};
use smallvec::SmallVec;

use super::{
    cells::Seq,
    codes::Codes,
    ground::Ground,
    reads::{AccountRead, BalanceSeen, Footprint, Grants, HUGE, NonceSeen, SlotGrant, SlotRead},
    tickets::{Holders, Lock},
};
use crate::{Watch, predict::Predictor};

/// Why execution on a [`View`] stopped.
#[derive(Debug)]
pub(crate) enum ViewError<E> {
    /// The database below failed.
    Base(E),
    /// An older transaction holds a key that this one did not predict; [`View::waits`] says who.
    Wait,
    /// The transaction looks at something that is known only at its turn.
    Head,
}

impl<E: fmt::Display> fmt::Display for ViewError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(error) => error.fmt(f),
            Self::Wait => f.write_str("must wait for an older transaction"),
            Self::Head => f.write_str("must wait for its turn"),
        }
    }
}

impl<E: Error + 'static> Error for ViewError<E> {}
impl<E: DBErrorMarker> DBErrorMarker for ViewError<E> {}

/// How a transaction is executed.
#[derive(Clone, Debug)]
pub(crate) enum Stand {
    /// Before its turn: balances that commute may be incomplete.
    Early,
    /// At its turn, when everything older is final; with what the fee accounts have received so far.
    Head(SmallVec<[U256; 4]>),
}

impl Stand {
    /// What a fee account has received so far, if that is known.
    pub(super) fn received(&self, fee: u8) -> U256 {
        match self {
            Self::Early => U256::ZERO,
            Self::Head(sums) => sums[usize::from(fee)],
        }
    }
}

/// What becomes of hashes that a transaction computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Hashing {
    #[default]
    Plain,
    /// Its prediction has computed most of them.
    Recall,
    /// They are recorded, with what was hashed.
    Record,
}

/// One transaction's view. Kept by a worker from one transaction to the next.
pub(crate) struct View<'e, D> {
    ground: Ground<'e, D>,
    pub(super) fee_accounts: &'e [Address],
    /// `None` where nothing is predicted, so that there is nobody to ask.
    tickets: Option<&'e dyn Holders>,
    pub(crate) seq: Seq,
    pub(super) stand: Stand,
    caller: Address,
    callee: Option<Address>,
    /// What a creating transaction creates.
    created: Option<Address>,
    delegate: Option<Address>,
    authorizes: bool,
    max_cost: Option<U256>,
    pays_hugely: bool,
    announced: bool,
    hashing: Hashing,
    /// Whether older transactions that hold what it touches unpredicted are waited for.
    asks: bool,
    predictor: &'e Predictor,
    /// Set by observations that cannot fail at once.
    pub(crate) needs_head: bool,
    pub(crate) grants: Box<Grants>,
    pub(crate) seen: Box<Footprint>,
    codes: Codes,
    /// Whom to wait for, after [`ViewError::Wait`].
    pub(crate) waits: Vec<TxIndex>,
}

impl<'e, D: DatabaseRef> View<'e, D> {
    pub(crate) fn new(
        ground: Ground<'e, D>,
        fee_accounts: &'e [Address],
        tickets: Option<&'e dyn Holders>,
        predictor: &'e Predictor,
    ) -> Self {
        Self {
            ground,
            fee_accounts,
            tickets,
            seq: 0,
            stand: Stand::Early,
            caller: Address::ZERO,
            callee: None,
            created: None,
            delegate: None,
            authorizes: false,
            max_cost: None,
            pays_hugely: false,
            announced: false,
            hashing: Hashing::Plain,
            asks: false,
            predictor,
            needs_head: false,
            grants: Box::default(),
            seen: Box::default(),
            codes: Codes::default(),
            waits: Vec::new(),
        }
    }

    /// Turns to another transaction; its grants have been put in place.
    pub(crate) fn turn_to(
        &mut self,
        seq: Seq,
        tx: &impl Transaction,
        stand: Stand,
        hashing: Hashing,
        asks: bool,
    ) {
        self.seq = seq;
        self.stand = stand;
        self.caller = tx.caller();
        (self.callee, self.created) = match tx.kind() {
            TxKind::Call(to) => (Some(to), None),
            TxKind::Create => (None, Some(tx.caller().create(tx.nonce()))),
        };
        self.delegate = None;
        self.authorizes = tx.authorization_list_len() > 0;
        self.max_cost = None;
        self.pays_hugely = tx.value() >= HUGE;
        self.announced = false;
        self.hashing = hashing;
        self.asks = asks;
        self.needs_head = false;
        self.seen.clear();
        self.seen.rewards.resize(self.fee_accounts.len(), U256::ZERO);
        self.waits.clear();
    }

    /// What the sender must have, in wei.
    pub(crate) const fn set_max_cost(&mut self, wei: Option<U256>) {
        self.max_cost = wei;
    }

    pub(crate) const fn is_head(&self) -> bool {
        matches!(self.stand, Stand::Head(_))
    }

    pub(crate) const fn ground(&self) -> Ground<'e, D> {
        self.ground
    }

    pub(crate) fn fee_position(&self, address: &Address) -> Option<u8> {
        let found = self.fee_accounts.iter().position(|account| account == address)?;
        u8::try_from(found).ok()
    }

    /// How much of an account a load observes, before any opcode says more.
    fn first_look(&self, address: &Address, fee: Option<u8>) -> (NonceSeen, BalanceSeen) {
        if *address == self.caller {
            return (NonceSeen::Exactly, self.max_cost.map_or(BalanceSeen::Exactly, BalanceSeen::AtLeast));
        }
        // Loads by the handler of a type 4 transaction may be those of its authorities.
        let by_handler = !self.announced && !self.authorizes && self.created != Some(*address);
        let code_alone = self.announced
            || (by_handler
                && (fee.is_some() || self.callee == Some(*address) || self.delegate == Some(*address)));
        if code_alone { (NonceSeen::No, BalanceSeen::No) } else { (NonceSeen::Exactly, BalanceSeen::Exactly) }
    }

    /// Whether `held` allows to read; if not, whether the lock can be had at once.
    fn cover(&mut self, held: Option<Mode>, lock: Lock) -> Result<bool, ViewError<D::Error>> {
        if self.is_head() || held.is_some_and(|held| held.covers(Mode::Shared)) {
            return Ok(true);
        }
        let Some(tickets) = self.tickets.filter(|_| self.asks) else { return Ok(false) };
        let free = tickets.escape(self.seq, lock, &mut self.waits);
        if self.waits.is_empty() { Ok(free) } else { Err(ViewError::Wait) }
    }

    fn load(&mut self, address: Address) -> Result<Option<AccountInfo>, ViewError<D::Error>> {
        let fee = self.fee_position(&address);
        let (nonce_seen, mut balance_seen) = self.first_look(&address, fee);
        if fee.is_some() && !self.is_head() && nonce_seen == NonceSeen::Exactly {
            return Err(ViewError::Head);
        }
        let grant = self.grants.account(&address).copied();
        let cell = grant.map_or_else(|| self.ground.cells.account_id(&address), |grant| grant.cell);
        let passive = fee.is_some()
            && !self.announced
            && !self.authorizes
            && self.callee != Some(address)
            && self.delegate != Some(address)
            && self.created != Some(address)
            && self.caller != address;
        let code_covered = passive || self.cover(grant.and_then(|grant| grant.code), Lock::Code(cell))?;
        let nonce_covered = nonce_seen != NonceSeen::Exactly
            || self.cover(grant.and_then(|grant| grant.nonce), Lock::Nonce(cell))?;
        let balance_covered = balance_seen != BalanceSeen::Exactly
            || self.cover(grant.and_then(|grant| grant.balance), Lock::Balance(cell))?;

        let mut account = self.load_with_code(cell)?;
        if let (Some(fee), Stand::Head(sums)) = (fee, &self.stand)
            && !sums[usize::from(fee)].is_zero()
        {
            let info = account.get_or_insert_default();
            info.balance = info.balance.wrapping_add(sums[usize::from(fee)]);
        }
        let info = account.as_ref();
        let balance = info.map_or(U256::ZERO, |info| info.balance);
        let left_empty = self.ground.cells.account(cell).was_empty();
        // What is huge, or receives so much, may overflow.
        let is_huge = balance >= HUGE || (self.pays_hugely && self.callee == Some(address));
        if (is_huge || left_empty) && fee.is_some() && !self.is_head() {
            return Err(ViewError::Head);
        }
        if is_huge {
            balance_seen = BalanceSeen::Exactly;
        }
        let code = info.and_then(|info| info.code.as_ref());
        if !self.announced && self.callee == Some(address) {
            self.delegate = code.and_then(Bytecode::eip7702_address);
        }
        self.seen.accounts.push(AccountRead {
            cell,
            address,
            exists: info.is_some(),
            balance,
            nonce: info.map_or(0, |info| info.nonce),
            code_hash: info.map_or(KECCAK_EMPTY, |info| info.code_hash),
            has_code: code.is_some_and(|code| !code.is_empty()),
            nonce_seen,
            balance_seen,
            fee,
            passive,
            left_empty: left_empty && !self.is_head(),
            code_covered: code_covered && !passive,
            nonce_covered: nonce_covered && nonce_seen == NonceSeen::Exactly,
            balance_covered: balance_covered
                && balance_seen == BalanceSeen::Exactly
                && (!is_huge || self.is_head()),
        });
        Ok(account)
    }

    fn load_with_code(&mut self, cell: u32) -> Result<Option<AccountInfo>, ViewError<D::Error>> {
        loop {
            let account = self.ground.bare_account(cell, self.seq).map_err(ViewError::Base)?;
            let Some(mut info) = account else { return Ok(None) };
            let code = self.codes.get(self.ground, cell, self.seq, &info).map_err(ViewError::Base)?;
            if code.is_some() {
                info.code = code;
                return Ok(Some(info));
            }
        }
    }

    fn load_slot(&mut self, account: u32, slot: U256) -> Result<U256, ViewError<D::Error>> {
        let (cell, held) = match self.grants.scan_slot(account, slot) {
            Some(grant) => (grant.cell, Some(grant.mode)),
            None => {
                let cell = self.ground.cells.slot_id(account, slot);
                (cell, self.grants.slot_cell(cell).map(|grant| grant.mode))
            }
        };
        let covered = self.cover(held, Lock::Slot(cell))?;
        if covered && held.is_none() && !self.is_head() {
            self.grants.add_late(SlotGrant { cell, account, slot, mode: Mode::Shared, late: true });
        }
        let value = self.ground.slot(cell, self.seq).map_err(ViewError::Base)?;
        self.seen.slots.push(SlotRead { cell, account, slot, value, covered });
        Ok(value)
    }

    fn observe(&mut self, address: Address, look: impl FnOnce(&mut AccountRead)) {
        let early = !self.is_head();
        let grant = self.grants.account(&address).copied();
        let Some(read) = self.seen.account(&address) else {
            self.needs_head = true;
            return;
        };
        look(read);
        read.passive = false;
        let shared = |held: Option<Mode>| held.is_some_and(|held| held.covers(Mode::Shared));
        read.nonce_covered |= !early || shared(grant.and_then(|grant| grant.nonce));
        read.balance_covered |= !early || shared(grant.and_then(|grant| grant.balance));
        let exactly = read.nonce_seen == NonceSeen::Exactly || read.balance_seen == BalanceSeen::Exactly;
        self.needs_head |= early && exactly && read.fee.is_some();
    }
}

impl AccountRead {
    /// Balance is `now` at this point of the transaction, and `wei` was enough or not.
    fn enough(&mut self, now: U256, wei: U256) {
        if now < wei || self.balance_seen == BalanceSeen::Exactly {
            self.balance_seen = BalanceSeen::Exactly;
            return;
        }
        let before = match self.balance_seen {
            BalanceSeen::AtLeast(before) => before,
            _ => U256::ZERO,
        };
        // `now` is what was there plus what the transaction has moved so far.
        let needed = self.balance.saturating_add(wei).saturating_sub(now);
        self.balance_seen = BalanceSeen::AtLeast(before.max(needed));
    }
}

impl<D: DatabaseRef> Database for View<'_, D> {
    type Error = ViewError<D::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        self.load(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Self::Error> {
        self.ground.base.code_by_hash_ref(hash).map_err(ViewError::Base)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        let account = match self.seen.account(&address) {
            Some(read) => read.cell,
            None => self.ground.cells.account_id(&address),
        };
        self.load_slot(account, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        self.ground.base.block_hash_ref(number).map_err(ViewError::Base)
    }
}

impl<D: DatabaseRef> Watch for View<'_, D> {
    fn loading_code(&mut self) {
        self.announced = true;
    }

    fn loaded(&mut self) {
        self.announced = false;
    }

    fn observed(&mut self, address: Address) {
        self.observe(address, |read| {
            read.nonce_seen = NonceSeen::Exactly;
            read.balance_seen = BalanceSeen::Exactly;
        });
    }

    fn observed_nonce(&mut self, address: Address) {
        self.observe(address, |read| read.nonce_seen = NonceSeen::Exactly);
    }

    fn observed_enough(&mut self, address: Address, now: U256, wei: U256) {
        self.observe(address, |read| read.enough(now, wei));
    }

    fn observed_emptiness(&mut self, address: Address, now: U256) {
        self.observe(address, |read| {
            if read.has_code {
                return;
            }
            if read.nonce > 0 {
                if read.nonce_seen == NonceSeen::No {
                    read.nonce_seen = NonceSeen::Used;
                }
            } else if now.is_zero() {
                read.nonce_seen = NonceSeen::Exactly;
                read.balance_seen = BalanceSeen::Exactly;
            } else {
                // Not empty because of what it owns, whatever its nonce.
                read.enough(now, U256::ONE);
            }
        });
    }

    fn recall_hash(&self, input: &[u8]) -> Option<B256> {
        (self.hashing == Hashing::Recall).then(|| self.predictor.recall_hash(input)).flatten()
    }

    fn learning(&self) -> bool {
        self.hashing == Hashing::Record
    }

    fn hashed(&mut self, input: &[u8], hash: B256) {
        self.seen.preimages.push(input, hash);
    }
}
