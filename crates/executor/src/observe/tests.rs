//! What is not reported does not matter: programs run again on a state that differs in everything that they did not
//! observe, and nothing else may differ.

use std::sync::LazyLock;

use alloy_eips::eip7702::{Authorization, RecoveredAuthority, RecoveredAuthorization};
use alloy_primitives::{
    Address, B256, Bytes, TxKind, U256, address, keccak256,
    map::{AddressMap, HashMap},
};
use op_revm::{L1BlockInfo, OpSpecId, OpTransaction};
use proptest::{prelude::*, sample::select};
use revm::{
    Database,
    bytecode::{Bytecode, opcode as op},
    context::{BlockEnv, CfgEnv, TxEnv, result::ExecutionResult},
    context_interface::either::Either,
    primitives::hardfork::SpecId,
    state::{AccountInfo, EvmState},
};

use super::*;
use crate::{Ethereum, Lane, Optimism, Vm};

const SENDER: Address = address!("0x1000000000000000000000000000000000000001");
const A: Address = address!("0xa000000000000000000000000000000000000001");
const B: Address = address!("0xb000000000000000000000000000000000000002");
const C: Address = address!("0xc000000000000000000000000000000000000003");
const POOR: Address = address!("0xe000000000000000000000000000000000000004");
const RICH: Address = address!("0xe000000000000000000000000000000000000005");
const NOBODY: Address = address!("0xe000000000000000000000000000000000000006");
const DELEGATED: Address = address!("0xe000000000000000000000000000000000000007");
const MINER: Address = address!("0xfe00000000000000000000000000000000000008");
const PRECOMPILE: Address = address!("0x0000000000000000000000000000000000000002");

/// Init code of creations: it deploys nothing, a byte, a byte of its balance; it reverts; it destroys itself.
const INIT_CODES: [&[u8]; 5] = [
    &[],
    &[op::PUSH1, 1, op::PUSH1, 0, op::RETURN],
    &[op::SELFBALANCE, op::PUSH1, 0, op::MSTORE, op::PUSH1, 1, op::PUSH1, 31, op::RETURN],
    &[op::PUSH1, 0, op::PUSH1, 0, op::REVERT],
    &[op::CALLER, op::SELFDESTRUCT],
];

/// Accounts that programs meet, those included that they may create.
fn pool() -> &'static [Address] {
    static POOL: LazyLock<Vec<Address>> = LazyLock::new(|| {
        let mut pool = vec![SENDER, A, B, C, POOR, RICH, NOBODY, DELEGATED, MINER, PRECOMPILE];
        for creator in [A, B, SENDER, DELEGATED] {
            pool.extend((0..2).map(|nonce| creator.create(nonce)));
            pool.extend(INIT_CODES.map(|code| creator.create2(B256::ZERO, keccak256(code))));
        }
        pool
    });
    &POOL
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Balance {
    #[default]
    Unseen,
    AtLeast(U256),
    Exact,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Nonce {
    #[default]
    Unseen,
    Used,
    Exact,
}

/// What a transaction observed of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    loaded: bool,
    balance: Balance,
    nonce: Nonce,
}

impl Seen {
    fn whole(&mut self) {
        *self = Self { loaded: self.loaded, balance: Balance::Exact, nonce: Nonce::Exact };
    }

    fn at_least(&mut self, base: U256, now: U256, wei: U256) {
        self.balance = match self.balance {
            _ if now < wei => Balance::Exact,
            Balance::Exact => Balance::Exact,
            Balance::Unseen => Balance::AtLeast((base + wei).saturating_sub(now)),
            Balance::AtLeast(before) => Balance::AtLeast(before.max((base + wei).saturating_sub(now))),
        };
    }
}

type State = AddressMap<AccountInfo>;

/// The strictest honest reading of [`Watch`]: what it does not say was not observed.
struct Recorder {
    state: State,
    callee: Option<Address>,
    /// Accounts whose load by the handler observes their code alone.
    code_alone: Vec<Address>,
    authorizes: bool,
    max_cost: U256,
    announced: bool,
    seen: AddressMap<Seen>,
    learning: bool,
    hashed: Vec<(Bytes, B256)>,
    /// Answers until the database fails.
    answers: usize,
}

impl Recorder {
    fn new(case: &Case, state: State) -> Self {
        let (tx, beneficiary) = (&case.tx, case.beneficiary);
        let pays = tx.kind.is_call() || beneficiary != tx.caller.create(tx.nonce);
        Self {
            state,
            callee: tx.kind.to().copied(),
            code_alone: tx.kind.to().copied().into_iter().chain(pays.then_some(beneficiary)).collect(),
            authorizes: tx.tx_type == 4,
            max_cost: tx.max_balance_spending().unwrap(),
            announced: false,
            seen: AddressMap::default(),
            learning: false,
            hashed: Vec::new(),
            answers: usize::MAX,
        }
    }

    fn answer(&mut self) -> Result<(), Poisoned> {
        self.answers = self.answers.checked_sub(1).ok_or(Poisoned)?;
        Ok(())
    }

    fn base(&self, address: Address) -> AccountInfo {
        self.state.get(&address).cloned().unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("poisoned")]
struct Poisoned;
impl revm::database_interface::DBErrorMarker for Poisoned {}

impl Database for Recorder {
    type Error = Poisoned;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Poisoned> {
        self.answer()?;
        let info = self.state.get(&address).cloned();
        let mut seen = self.seen.get(&address).copied().unwrap_or_default();
        seen.loaded = true;
        if address == SENDER {
            seen.nonce = Nonce::Exact;
            seen.balance = Balance::AtLeast(self.max_cost);
        } else if !self.announced && (self.authorizes || !self.code_alone.contains(&address)) {
            seen.whole();
        }
        if let Some(code) = info.as_ref().and_then(|info| info.code.as_ref()) {
            self.code_alone
                .extend(code.eip7702_address().filter(|_| Some(address) == self.callee && !self.announced));
        }
        self.seen.insert(address, seen);
        Ok(info)
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, Poisoned> {
        unreachable!("codes come with their accounts")
    }

    fn storage(&mut self, _: Address, slot: U256) -> Result<U256, Poisoned> {
        self.answer()?;
        Ok(slot % U256::from(3))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Poisoned> {
        self.answer()?;
        Ok(keccak256(number.to_be_bytes()))
    }
}

impl Watch for Recorder {
    fn loading_code(&mut self) {
        assert!(!self.announced);
        self.announced = true;
    }

    fn loaded(&mut self) {
        assert!(self.announced);
        self.announced = false;
    }

    fn observed(&mut self, address: Address) {
        self.seen.entry(address).or_default().whole();
    }

    fn observed_nonce(&mut self, address: Address) {
        self.seen.get_mut(&address).expect("it is loaded").nonce = Nonce::Exact;
    }

    fn observed_enough(&mut self, address: Address, now: U256, wei: U256) {
        let base = self.base(address).balance;
        self.seen.get_mut(&address).expect("it is loaded").at_least(base, now, wei);
    }

    fn observed_emptiness(&mut self, address: Address, now: U256) {
        let base = self.base(address);
        let seen = self.seen.get_mut(&address).expect("it is loaded");
        if base.nonce > 0 {
            seen.nonce = if seen.nonce == Nonce::Exact { Nonce::Exact } else { Nonce::Used };
        } else if now.is_zero() {
            seen.whole();
        } else {
            seen.at_least(base.balance, now, U256::ONE);
        }
    }

    fn learning(&self) -> bool {
        self.learning
    }

    fn hashed(&mut self, input: &[u8], hash: B256) {
        self.hashed.push((Bytes::copy_from_slice(input), hash));
    }
}

/// One step of a program. Its result is logged.
#[derive(Clone, Debug)]
enum Step {
    Balance(Address),
    SelfBalance,
    CodeSize(Address),
    CodeHash(Address),
    CodeCopy(Address),
    Call { opcode: u8, to: Address, value: u64, gas: u32 },
    Create { opcode: u8, init: usize, value: u64 },
    SelfDestruct(Address),
    Gas,
    Store(u8),
    Load(u8),
    BlockHash(u8),
    Hash(u8),
    Revert,
}

fn push(code: &mut Vec<u8>, bytes: &[u8]) {
    code.push(op::PUSH1 - 1 + u8::try_from(bytes.len()).unwrap());
    code.extend_from_slice(bytes);
}

impl Step {
    fn assemble(&self, code: &mut Vec<u8>) {
        match self {
            Self::Balance(address) => {
                push(code, address.as_slice());
                code.push(op::BALANCE);
            }
            Self::SelfBalance => code.push(op::SELFBALANCE),
            Self::CodeSize(address) => {
                push(code, address.as_slice());
                code.push(op::EXTCODESIZE);
            }
            Self::CodeHash(address) => {
                push(code, address.as_slice());
                code.push(op::EXTCODEHASH);
            }
            Self::CodeCopy(address) => {
                code.extend([op::PUSH1, 32, op::PUSH1, 0, op::PUSH1, 0]);
                push(code, address.as_slice());
                code.extend([op::EXTCODECOPY, op::PUSH1, 0, op::MLOAD]);
            }
            Self::Call { opcode, to, value, gas } => {
                code.extend([op::PUSH1, 0, op::PUSH1, 0, op::PUSH1, 0, op::PUSH1, 0]);
                if matches!(*opcode, op::CALL | op::CALLCODE) {
                    push(code, &value.to_be_bytes());
                }
                push(code, to.as_slice());
                push(code, &gas.to_be_bytes());
                code.push(*opcode);
            }
            Self::Create { opcode, init, value } => {
                let init = INIT_CODES[*init];
                let mut word = [0; 32];
                word[..init.len()].copy_from_slice(init);
                push(code, &word);
                code.extend([op::PUSH1, 0, op::MSTORE]);
                if *opcode == op::CREATE2 {
                    code.extend([op::PUSH1, 0]);
                }
                code.extend([op::PUSH1, u8::try_from(init.len()).unwrap(), op::PUSH1, 0]);
                push(code, &value.to_be_bytes());
                code.push(*opcode);
            }
            Self::SelfDestruct(address) => {
                push(code, address.as_slice());
                code.push(op::SELFDESTRUCT);
                return;
            }
            Self::Gas => code.push(op::GAS),
            Self::Store(slot) => return code.extend([op::GAS, op::PUSH1, *slot, op::SSTORE]),
            Self::Load(slot) => code.extend([op::PUSH1, *slot, op::SLOAD]),
            Self::BlockHash(number) => code.extend([op::PUSH1, *number, op::BLOCKHASH]),
            Self::Hash(length) => code.extend([op::PUSH1, *length, op::PUSH1, 3, op::KECCAK256]),
            Self::Revert => return code.extend([op::PUSH1, 0, op::PUSH1, 0, op::REVERT]),
        }
        code.extend([op::PUSH1, 0, op::PUSH1, 0, op::LOG1]);
    }
}

fn assemble(steps: &[Step]) -> Bytes {
    let mut code = Vec::new();
    steps.iter().for_each(|step| step.assemble(&mut code));
    code.into()
}

fn step() -> impl Strategy<Value = Step> {
    let address = || select(pool());
    let value = || select(&[0_u64, 0, 1, 1000, 1_000_000][..]);
    let calls = &[op::CALL, op::CALL, op::CALL, op::CALLCODE, op::DELEGATECALL, op::STATICCALL][..];
    prop_oneof![
        2 => address().prop_map(Step::Balance),
        2 => Just(Step::SelfBalance),
        2 => address().prop_map(Step::CodeSize),
        3 => address().prop_map(Step::CodeHash),
        1 => address().prop_map(Step::CodeCopy),
        9 => (select(calls), address(), value(), select(&[0_u32, 40_000, 300_000][..]))
            .prop_map(|(opcode, to, value, gas)| Step::Call { opcode, to, value, gas }),
        3 => (select(&[op::CREATE, op::CREATE2][..]), 0..INIT_CODES.len(), value())
            .prop_map(|(opcode, init, value)| Step::Create { opcode, init, value }),
        1 => address().prop_map(Step::SelfDestruct),
        1 => Just(Step::Gas),
        1 => (0_u8..3).prop_map(Step::Store),
        1 => (0_u8..3).prop_map(Step::Load),
        1 => (0_u8..5).prop_map(Step::BlockHash),
        1 => select(&[0_u8, 1, 40][..]).prop_map(Step::Hash),
        1 => Just(Step::Revert),
    ]
}

/// A transaction and the state that it meets.
#[derive(Clone, Debug)]
struct Case {
    spec: SpecId,
    beneficiary: Address,
    state: State,
    tx: TxEnv,
    /// Chooses the other state.
    other: Vec<(usize, usize)>,
}

const SPECS: [SpecId; 9] = [
    SpecId::SPURIOUS_DRAGON,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
];

fn account(balance: u64, nonce: u64, code: Bytecode) -> AccountInfo {
    AccountInfo { nonce, ..AccountInfo::from_bytecode(code) }.with_balance(U256::from(balance))
}

fn case() -> impl Strategy<Value = Case> {
    let programs = prop::array::uniform3(prop::collection::vec(step(), 1..7));
    let balance = select(&[0_u64, 0, 1, 1000, 1500, 1_000_000][..]);
    let accounts = prop::collection::vec((balance, select(&[0_u64, 0, 1][..])), pool().len());
    let authorizations = prop::collection::vec(
        (select(&[SENDER, RICH, NOBODY, DELEGATED][..]), select(&[A, B, Address::ZERO][..]), 0_u64..2),
        0..3,
    );
    let callee = prop_oneof![
        6 => Just(Some(A)),
        2 => select(pool()).prop_map(Some),
        2 => Just(None),
    ];
    let tx = (
        callee,
        select(&[0_u64, 1, 1000][..]),
        authorizations,
        select(&[140_000_u64, 500_000, 2_000_000][..]),
    );
    let other = prop::collection::vec((0_usize..8, 0_usize..8), pool().len());
    let creations = [A.create(0), A.create(1), A.create2(B256::ZERO, keccak256([])), SENDER.create(0)];
    let beneficiary = prop_oneof![4 => Just(MINER), 1 => Just(RICH), 2 => select(creations.to_vec())];
    let setting = (select(&SPECS[..]), beneficiary);
    (setting, programs, accounts, tx, other).prop_map(
        |((spec, beneficiary), programs, accounts, tx, other)| {
            let (callee, value, authorizations, gas_limit) = tx;
            let mut state: State = pool()
                .iter()
                .zip(&accounts)
                .map(|(address, (balance, nonce))| (*address, account(*balance, *nonce, Bytecode::default())))
                .collect();
            for (address, steps) in [A, B, C].into_iter().zip(&programs) {
                let (balance, nonce) = (state[&address].balance.to(), state[&address].nonce);
                state.insert(address, account(balance, nonce, Bytecode::new_legacy(assemble(steps))));
            }
            let prague = spec.is_enabled_in(SpecId::PRAGUE);
            if prague {
                let (balance, nonce) = (state[&DELEGATED].balance.to(), state[&DELEGATED].nonce);
                state.insert(DELEGATED, account(balance, nonce, Bytecode::new_eip7702(B)));
            }
            let mut tx = TxEnv {
                caller: SENDER,
                gas_limit,
                gas_price: 10,
                kind: callee.map_or(TxKind::Create, TxKind::Call),
                value: U256::from(value),
                data: if callee.is_none() { assemble(&programs[2]) } else { Bytes::new() },
                nonce: state[&SENDER].nonce,
                ..TxEnv::default()
            };
            if prague && callee.is_some() && !authorizations.is_empty() {
                tx.tx_type = 4;
                tx.gas_priority_fee = Some(3);
                tx.chain_id = Some(1);
                tx.authorization_list = authorizations
                    .into_iter()
                    .map(|(authority, address, nonce)| {
                        let inner = Authorization { chain_id: U256::ZERO, address, nonce };
                        Either::Right(RecoveredAuthorization::new_unchecked(
                            inner,
                            RecoveredAuthority::Valid(authority),
                        ))
                    })
                    .collect();
            }
            state.get_mut(&SENDER).unwrap().balance += tx.max_balance_spending().unwrap();
            state.retain(|_, info| !info.is_empty());
            Case { spec, beneficiary, state, tx, other }
        },
    )
}

fn block(case: &Case) -> BlockEnv {
    BlockEnv {
        number: U256::from(4),
        beneficiary: case.beneficiary,
        basefee: 7,
        gas_limit: 30_000_000,
        ..BlockEnv::default()
    }
}

fn vm(case: &Case) -> Ethereum {
    Ethereum::new(CfgEnv::new_with_spec(case.spec), block(case))
}

struct Run {
    result: ExecutionResult,
    after: EvmState,
    seen: AddressMap<Seen>,
}

/// Runs a case; `unwatched` is left as revm has it.
fn run(case: &Case, state: &State, unwatched: Option<u8>) -> Run {
    let vm = vm(case);
    let mut lane = vm.watched_lane(Recorder::new(case, state.clone()));
    if let Some(opcode) = unwatched {
        let plain = vm.lane(Recorder::new(case, state.clone()));
        let original = plain.evm.instruction.instruction_table[usize::from(opcode)];
        lane.evm.instruction.insert_instruction(opcode, original);
    }
    let ran = lane.run(case.tx.clone()).expect("a valid transaction");
    assert!(!lane.db().announced);
    Run { result: ran.result, after: ran.state, seen: std::mem::take(&mut lane.db().seen) }
}

/// A state that is equal in what was seen, and different where chance allows.
fn other_state(case: &Case, seen: &AddressMap<Seen>) -> State {
    let mut state = case.state.clone();
    for (address, (balance, nonce)) in pool().iter().zip(&case.other) {
        let seen = seen.get(address).copied().unwrap_or_default();
        let mut info = state.remove(address).unwrap_or_default();
        let balances = [0, 1, 999, 1000, 1_000_000_000].map(U256::from);
        match seen.balance {
            Balance::Exact => {}
            Balance::AtLeast(least) => {
                info.balance = balances.get(*balance).map_or(info.balance, |more| least + more)
            }
            Balance::Unseen => info.balance = balances.get(*balance).copied().unwrap_or(info.balance),
        }
        match seen.nonce {
            Nonce::Exact => {}
            Nonce::Used => info.nonce = [1, 2].get(*nonce).copied().unwrap_or(info.nonce),
            Nonce::Unseen => info.nonce = [0, 1, 2].get(*nonce).copied().unwrap_or(info.nonce),
        }
        if !info.is_empty() {
            state.insert(*address, info);
        }
    }
    state
}

/// What a transaction did, apart from where it started.
#[derive(Debug, PartialEq, Eq)]
struct Effect {
    credit: U256,
    nonce: Option<u64>,
    code_hash: B256,
    created: bool,
    destroyed: bool,
    slots: Vec<(U256, U256)>,
}

fn effects(run: &Run, before: &State) -> HashMap<Address, Effect> {
    let effect = |(address, account): (&Address, &Account)| {
        let base = before.get(address).cloned().unwrap_or_default();
        let mut slots: Vec<_> =
            account.changed_storage_slots().map(|(slot, value)| (*slot, value.present_value)).collect();
        slots.sort_unstable();
        let effect = Effect {
            credit: account.info.balance.wrapping_sub(base.balance),
            nonce: (account.info.nonce != base.nonce).then_some(account.info.nonce),
            code_hash: account.info.code_hash,
            created: account.is_created(),
            destroyed: account.is_selfdestructed(),
            slots,
        };
        (*address, effect)
    };
    run.after.iter().map(effect).collect()
}

fn nothing_else_differs(case: &Case, unwatched: Option<u8>) -> Result<(), TestCaseError> {
    let first = run(case, &case.state, unwatched);
    let other = other_state(case, &first.seen);
    let second = run(case, &other, unwatched);
    prop_assert_eq!(&first.result, &second.result);
    prop_assert_eq!(effects(&first, &case.state), effects(&second, &other));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_is_not_reported_does_not_matter(case in case()) {
        nothing_else_differs(&case, None)?;
    }

    #[test]
    fn watching_changes_nothing(case in case()) {
        let watched = run(&case, &case.state, None);
        let plain = vm(&case).lane(Recorder::new(&case, case.state.clone())).run(case.tx.clone()).unwrap();
        prop_assert_eq!(watched.result, plain.result);
        prop_assert_eq!(watched.after, plain.state);
    }
}

/// Runs the transaction of `first` on a database that fails after some answers, then that of `second`: on the same
/// lane, and on a new one.
fn second_is_unaffected<V: Vm>(
    vm: &V,
    first: &Case,
    second: &Case,
    answers: usize,
    tx: impl Fn(&Case) -> V::Tx,
) -> Result<(), TestCaseError> {
    let mut used = vm.watched_lane(Recorder { answers, ..Recorder::new(first, first.state.clone()) });
    let _ = used.run(tx(first));
    prop_assert!(!used.db().announced);
    *used.db() = Recorder::new(second, second.state.clone());
    let on_used = used.run(tx(second)).map(|ran| (ran.result, ran.state));
    let mut new = vm.watched_lane(Recorder::new(second, second.state.clone()));
    let on_new = new.run(tx(second)).map(|ran| (ran.result, ran.state));
    prop_assert_eq!(on_used, on_new);
    prop_assert_eq!(&used.db().seen, &new.db().seen);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn errors_leave_no_trace(first in case(), second in case(), answers in 0_usize..12) {
        second_is_unaffected(&vm(&second), &first, &second, answers, |case| case.tx.clone())?;
    }

    #[test]
    fn errors_leave_no_trace_on_op(first in case(), second in case(), answers in 0_usize..16) {
        let spec = OpSpecId::JOVIAN;
        let l1 = L1BlockInfo { l1_base_fee: U256::ONE, l1_base_fee_scalar: U256::ONE, ..L1BlockInfo::default() };
        let vm = Optimism::new(CfgEnv::new_with_spec(spec), block(&second), l1);
        second_is_unaffected(&vm, &first, &second, answers, |case| OpTransaction {
            enveloped_tx: Some(Bytes::copy_from_slice(case.tx.kind.to().map_or(&[1; 200], |to| &to.0.0))),
            ..OpTransaction::new(case.tx.clone())
        })?;
    }
}

#[test]
fn hashes_are_told_while_learning() {
    let code = assemble(&[Step::Hash(0), Step::Hash(40)]);
    let case = Case {
        spec: SpecId::OSAKA,
        beneficiary: MINER,
        state: [
            (SENDER, account(u64::MAX, 0, Bytecode::default())),
            (A, account(0, 1, Bytecode::new_legacy(code))),
        ]
        .into_iter()
        .collect(),
        tx: TxEnv {
            caller: SENDER,
            kind: TxKind::Call(A),
            gas_limit: 100_000,
            gas_price: 7,
            ..TxEnv::default()
        },
        other: Vec::new(),
    };
    for learning in [false, true] {
        let mut lane =
            vm(&case).watched_lane(Recorder { learning, ..Recorder::new(&case, case.state.clone()) });
        assert!(lane.run(case.tx.clone()).unwrap().result.is_success());
        let zeros = Bytes::from_static(&[0; 40]);
        let told = [(zeros.clone(), keccak256(&zeros))];
        assert_eq!(lane.db().hashed, if learning { &told[..] } else { &[] });
    }
}

#[test]
fn every_report_is_needed() {
    let reporting = [
        op::BALANCE,
        op::SELFBALANCE,
        op::EXTCODEHASH,
        op::CALL,
        op::CALLCODE,
        op::CREATE,
        op::CREATE2,
        op::SELFDESTRUCT,
    ];
    for opcode in reporting {
        let config = ProptestConfig {
            cases: 20_000,
            max_shrink_iters: 0,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let ran = proptest::test_runner::TestRunner::new(config)
            .run(&case(), |case| nothing_else_differs(&case, Some(opcode)));
        assert!(ran.is_err(), "nothing differs although {opcode:#x} is not watched");
    }
}
