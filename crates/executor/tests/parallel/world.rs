//! Random blocks: a state in which everybody meets, programs on it, and transactions fitted to the state that they
//! will find.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::Duration,
};

use alloy_eips::{
    eip2930::{AccessList, AccessListItem},
    eip7702::{Authorization, RecoveredAuthority, RecoveredAuthorization},
};
use alloy_primitives::{Address, B256, U256, keccak256};
use lockstep_executor::{Ethereum, Lane, Limits, Vm};
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, TxEnv},
    context_interface::either::Either,
    database::{InMemoryDB, State},
    primitives::{TxKind, hardfork::SpecId},
    state::AccountInfo,
};

use crate::{
    code::{Expr, Place, Step, constructor, contract, word},
    oracle::{Case, plain_one},
};

pub(crate) const PEOPLE: usize = 5;
pub(crate) const CONTRACTS: usize = 3;
/// Makes the contract [`child`] number *first word of calldata*.
pub(crate) const FACTORY: Address = Address::repeat_byte(0xfa);
/// There from the start, and empty (EIP-161).
pub(crate) const EMPTY: Address = Address::repeat_byte(0xee);
/// Not there at the start.
pub(crate) const NOBODY: Address = Address::repeat_byte(0xff);
/// Not there at the start, and paid by every transaction if it is the beneficiary.
pub(crate) const MINER: Address = Address::repeat_byte(0xbe);

pub(crate) fn person(index: usize) -> Address {
    Address::repeat_byte(0x10 + u8::try_from(index).unwrap())
}

pub(crate) fn program(index: usize) -> Address {
    Address::repeat_byte(0xc0 + u8::try_from(index).unwrap())
}

fn child_init() -> (Vec<Step>, Vec<Step>) {
    let input = || Expr::Word(0);
    let init = vec![Step::Store(Expr::Small(1), Expr::Small(7))];
    let left = vec![
        Step::If(input(), vec![Step::Store(input(), Expr::Env(revm::bytecode::opcode::CALLER)), Step::Stop]),
        Step::Destroy(Place::Caller),
    ];
    (init, left)
}

fn factory() -> Vec<Step> {
    let (init, left) = child_init();
    vec![Step::Create {
        salt: Some(Expr::Word(0)),
        value: Expr::Env(revm::bytecode::opcode::CALLVALUE),
        init,
        left,
    }]
}

/// What [`FACTORY`] makes: without calldata it destroys itself.
pub(crate) fn child(salt: u64) -> Address {
    let (init, left) = child_init();
    FACTORY.create2(B256::from(U256::from(salt)), keccak256(constructor(&init, &left, SpecId::default())))
}

/// Everybody whom programs and transactions may name.
pub(crate) fn everybody() -> Vec<Address> {
    let mut all: Vec<Address> = (0..PEOPLE).map(person).collect();
    all.extend((0..CONTRACTS).map(program));
    all.extend([FACTORY, EMPTY, NOBODY, MINER, child(0), child(1), Address::with_last_byte(4)]);
    all
}

/// A value that a transaction carries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Wei(u64),
    /// All that the sender will have, less the most that the gas may cost; and this much more or less.
    All(i8),
    Half,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Call(Address),
    Create(Vec<Step>, Vec<Step>),
}

/// A transaction before it is known what it finds.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) from: usize,
    pub(crate) target: Target,
    pub(crate) value: Value,
    pub(crate) words: Vec<U256>,
    pub(crate) gas: u64,
    pub(crate) price: u128,
    pub(crate) tip: Option<u128>,
    /// Whether it offers at least the base fee.
    pub(crate) fair: bool,
    /// Added to the nonce that it should have.
    pub(crate) gap: u64,
    /// EIP-2930: who, and how many slots.
    pub(crate) list: Option<Vec<(Address, u8)>>,
    /// EIP-7702: who signs, for whom, and what is added to the nonce that it should have.
    pub(crate) delegations: Vec<(usize, Address, u64)>,
}

/// A block before it is known what its transactions find.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) spec: SpecId,
    pub(crate) beneficiary: Address,
    pub(crate) balances: Vec<U256>,
    pub(crate) programs: Vec<Vec<Step>>,
    pub(crate) plans: Vec<Plan>,
    pub(crate) gas: u64,
    pub(crate) base_fee: u64,
}

/// A block that can be executed.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) vm: Ethereum,
    pub(crate) db: Slow,
    pub(crate) limits: Limits,
    pub(crate) txs: Vec<TxEnv>,
}

impl Block {
    pub(crate) fn case<'a>(&'a self, name: &'a str) -> Case<'a, Ethereum, Slow> {
        Case { name, vm: &self.vm, db: &self.db, limits: self.limits, txs: &self.txs }
    }
}

impl Blueprint {
    /// Executes the plans one after the other, each fitted to the state that it finds.
    pub(crate) fn build(&self) -> Block {
        let base_fee = if self.spec.is_enabled_in(SpecId::LONDON) { self.base_fee } else { 0 };
        let block = BlockEnv {
            number: U256::from(300),
            timestamp: U256::from(1_000),
            beneficiary: self.beneficiary,
            basefee: base_fee,
            gas_limit: u64::MAX,
            ..BlockEnv::default()
        };
        let vm = Ethereum::new(CfgEnv::new_with_spec(self.spec), block);
        let limits = Limits { gas: self.gas, footprint: u64::MAX };
        let db = self.state();
        let mut left = limits;
        let mut state = State::builder().with_database_ref(&db).build();
        let mut lane = vm.lane(&mut state);
        let mut txs = Vec::new();
        for plan in &self.plans {
            let tx = plan.fit(self.spec, base_fee.into(), |address| {
                let info = revm::Database::basic(*lane.db(), address).unwrap().unwrap_or_default();
                (info.nonce, info.balance)
            });
            let _ = plain_one(&vm, &mut lane, &mut left, &tx);
            txs.push(tx);
        }
        drop(lane);
        drop(state);
        Block { vm, db: Slow::new(db), limits, txs }
    }

    fn state(&self) -> InMemoryDB {
        let mut db = InMemoryDB::default();
        for (index, balance) in self.balances.iter().enumerate() {
            if !balance.is_zero() {
                db.insert_account_info(person(index), AccountInfo::from_balance(*balance));
            }
        }
        let factory = factory();
        let programs = self.programs.iter().enumerate().map(|(index, steps)| (program(index), steps));
        for (address, steps) in programs.chain([(FACTORY, &factory)]) {
            let info = AccountInfo { nonce: 1, balance: U256::from(1_000), ..AccountInfo::default() };
            db.insert_account_info(address, info.with_code(Bytecode::new_legacy(contract(steps, self.spec))));
            for slot in 0..3 {
                db.insert_account_storage(address, U256::from(slot), U256::from(slot)).unwrap();
            }
        }
        db.insert_account_info(EMPTY, AccountInfo::default());
        db
    }
}

impl Plan {
    fn fit(&self, spec: SpecId, base_fee: u128, account: impl FnMut(Address) -> (u64, U256)) -> TxEnv {
        let mut account = account;
        let (nonce, balance) = account(person(self.from));
        let price = if self.fair { self.price.max(base_fee) } else { self.price };
        let cost = U256::from(price) * U256::from(self.gas);
        let value = match self.value {
            Value::Wei(wei) => U256::from(wei),
            Value::All(more) => {
                let all = balance.saturating_sub(cost);
                let much = U256::from(more.unsigned_abs());
                if more < 0 { all.saturating_sub(much) } else { all.saturating_add(much) }
            }
            Value::Half => balance / U256::from(2),
        };
        let (kind, data) = match &self.target {
            Target::Call(to) => {
                (TxKind::Call(*to), self.words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect())
            }
            Target::Create(init, left) => (TxKind::Create, constructor(init, left, spec)),
        };
        let mut tx = TxEnv {
            caller: person(self.from),
            nonce: nonce + self.gap,
            kind,
            data: data.into(),
            value,
            gas_limit: self.gas,
            gas_price: price,
            chain_id: Some(1),
            ..TxEnv::default()
        };
        let london = spec.is_enabled_in(SpecId::LONDON);
        if let Some(tip) = self.tip.filter(|_| london) {
            tx.tx_type = 2;
            tx.gas_priority_fee = Some(tip);
        }
        if let Some(list) = self.list.as_ref().filter(|_| spec.is_enabled_in(SpecId::BERLIN)) {
            tx.tx_type = tx.tx_type.max(1);
            let slots = |count: u8| (0..count).map(|slot| B256::from(U256::from(slot))).collect();
            let item = |(address, count): &(Address, u8)| AccessListItem {
                address: *address,
                storage_keys: slots(*count),
            };
            tx.access_list = AccessList(list.iter().map(item).collect());
        }
        if !self.delegations.is_empty() && spec.is_enabled_in(SpecId::PRAGUE) && !kind.is_create() {
            tx.tx_type = 4;
            tx.gas_priority_fee = Some(self.tip.unwrap_or_default());
            let mut signed: Vec<usize> = Vec::new();
            for (by, target, gap) in &self.delegations {
                let before = signed.iter().filter(|earlier| *earlier == by).count() as u64;
                let nonce = account(person(*by)).0 + before + u64::from(*by == self.from) + gap;
                signed.push(*by);
                let inner = Authorization { chain_id: U256::ZERO, address: *target, nonce };
                let authority = RecoveredAuthority::Valid(person(*by));
                let signed = RecoveredAuthorization::new_unchecked(inner, authority);
                tx.authorization_list.push(Either::Right(signed));
            }
        }
        tx
    }
}

/// A state in memory whose reads now and then let other threads go first.
#[derive(Debug)]
pub(crate) struct Slow {
    db: InMemoryDB,
    reads: AtomicU64,
}

impl Slow {
    fn new(db: InMemoryDB) -> Self {
        Self { db, reads: AtomicU64::new(0) }
    }

    fn dawdle(&self) {
        let read = self.reads.fetch_add(1, Relaxed);
        match read.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 {
            0 => thread::sleep(Duration::from_micros(20)),
            1..=4 => thread::yield_now(),
            _ => {}
        }
    }
}

impl DatabaseRef for Slow {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        self.dawdle();
        self.db.basic_ref(address)
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Infallible> {
        self.db.code_by_hash_ref(hash)
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.dawdle();
        self.db.storage_ref(address, slot)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        self.dawdle();
        self.db.block_hash_ref(number)
    }
}

/// [`word`] of everybody.
pub(crate) fn names() -> Vec<U256> {
    everybody().into_iter().map(word).collect()
}
