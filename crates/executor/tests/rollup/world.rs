//! A state, any transactions on it, and what it means that two executions are equal.

use std::sync::LazyLock;

use alloy::{
    consensus::{TxEip2930, TxEip7702, TxLegacy, transaction::Recovered},
    eips::{
        eip2930::{AccessList, AccessListItem},
        eip7702::Authorization,
    },
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::SignerSync,
};
use lockstep_executor::{Changes, Executor, Mode, Options, rollup};
use lockstep_primitives::{BlockInputs, OpTxEnvelope, TxDeposit, predeploys};
use lockstep_stf::{Executed, execute_with_access_list};
use lockstep_testkit::l2::{ETHER, RULES, call, db, deposit, encode, inputs, parent, put_code, sign, user};
use proptest::prelude::*;
use revm::{database::InMemoryDB, state::AccountInfo};

/// Every mode, few and many threads, with and without shortcuts.
pub static EXECUTORS: LazyLock<Vec<Executor>> = LazyLock::new(|| {
    let mut executors = Vec::new();
    for mode in [Mode::Sequential, Mode::Locks, Mode::Optimistic] {
        for (threads, adaptive) in [(1, true), (2, false), (3, false), (8, false), (8, true)] {
            let options = Options { threads, mode, adaptive, ..Options::default() };
            executors.push(Executor::new(options.clone()).unwrap());
            if threads == 3 {
                let options = Options { native_transfers: false, ..options };
                executors.push(Executor::new(options.clone()).unwrap());
                executors.push(Executor::new(Options { record_access: true, ..options }).unwrap());
            } else if threads == 2 || adaptive {
                executors.push(Executor::new(Options { record_access: true, ..options }).unwrap());
            }
        }
    }
    executors
});

/// Users 1 to `RICH` have ten ether, the one after has nothing.
pub const RICH: u8 = 8;

/// `sstore(0, sload(0) + 1)`, and a revert if the call carries no value.
const COUNTER: [u8; 15] =
    [0x34, 0x60, 6, 0x57, 0x5f, 0x5f, 0x5b, 0x5f, 0x54, 0x60, 1, 0x01, 0x5f, 0x55, 0x00];
/// `sstore(calldata[0], sload(calldata[32]) + calldata[64] + callvalue)`.
const TABLE: [u8; 14] = [0x60, 32, 0x35, 0x54, 0x60, 64, 0x35, 0x01, 0x34, 0x01, 0x5f, 0x35, 0x55, 0x00];
/// `log1(0, 0, callvalue)`, then halts if the value is odd.
const LOGS: [u8; 13] = [0x34, 0x5f, 0x5f, 0xa1, 0x60, 1, 0x34, 0x16, 0x60, 12, 0x57, 0x00, 0xfe];
/// `sstore(0, balance(calldata[0]))`: of a fee vault, in some calls.
const WATCHER: [u8; 7] = [0x5f, 0x35, 0x31, 0x5f, 0x55, 0x00, 0x00];
/// `sstore(1, blockhash(41)); sstore(2, blockhash(40)); sstore(3, selfbalance())`.
const HISTORIAN: [u8; 15] = [0x60, 41, 0x40, 0x60, 1, 0x55, 0x60, 40, 0x40, 0x60, 2, 0x55, 0x47, 0x60, 3];

pub fn contract(number: u8) -> Address {
    Address::with_last_byte(0xc0 + number)
}

/// The contracts above, one that sends all it gets to `calldata[0]` by SELFDESTRUCT, and L1 fees.
pub fn state() -> InMemoryDB {
    let mut db = db();
    for number in 1..=RICH {
        let balance = U256::from(10 * ETHER);
        db.insert_account_info(user(number).address(), AccountInfo { balance, ..Default::default() });
    }
    let historian = [&HISTORIAN[..], &[0x55, 0x00]].concat();
    let codes: [&[u8]; 6] = [&COUNTER, &TABLE, &LOGS, &WATCHER, &historian, &[0x5f, 0x35, 0xff]];
    for (number, code) in (0..).zip(codes) {
        put_code(&mut db, contract(number), code);
    }
    // As the L1 attributes leave them in `L1Block` (OP specification, "L1 Attributes").
    let field = |value: u64, offset: usize, size: usize| U256::from(value) << ((32 - offset - size) * 8);
    let slots = [
        (1, U256::from(7_000_000_000u64)),                              // base fee
        (3, field(1_368, 16, 4) | field(810_949, 20, 4)),               // scalars
        (7, U256::from(3)),                                             // blob base fee
        (8, field(400, 18, 2) | field(2, 20, 4) | field(1_000, 24, 8)), // footprint, operator fee
    ];
    db.insert_account_info(predeploys::L1_BLOCK, AccountInfo { nonce: 1, ..Default::default() });
    for (slot, value) in slots {
        db.insert_account_storage(predeploys::L1_BLOCK, U256::from(slot), value).unwrap();
    }
    db
}

/// One transaction of a user; most have the nonce that is next, and so are valid.
#[derive(Clone, Debug)]
pub struct Step {
    pub user: u8,
    /// 0: the next one.
    pub nonce_gap: u64,
    pub gas_limit: u64,
    pub value: u128,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Transfer(Address),
    /// Legacy and with this input.
    Legacy(Address, Bytes),
    Call(Address, Vec<u8>),
    Listed(Address, Vec<u8>),
    Create(Bytes),
    /// User, the contract that it becomes, and its nonce as the signer believes.
    Delegate(u8, Address, u64),
    Garbage(Vec<u8>),
    Forged,
}

fn place() -> impl Strategy<Value = Address> {
    let vaults = [
        predeploys::SEQUENCER_FEE_VAULT,
        predeploys::BASE_FEE_VAULT,
        predeploys::L1_FEE_VAULT,
        predeploys::OPERATOR_FEE_VAULT,
    ];
    prop_oneof![
        4 => (1..=RICH + 1).prop_map(|number| user(number).address()),
        4 => (0..6u8).prop_map(contract),
        1 => prop::sample::select(vaults.to_vec()),
        1 => (1..6u8).prop_map(Address::with_last_byte), // precompiles
        2 => (0..3u8).prop_map(|byte| Address::repeat_byte(0x70 + byte)), // nobody yet
    ]
}

/// Words that name places and slots.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word =
        prop_oneof![place().prop_map(|place| place.into_word()), (0..4u8).prop_map(B256::with_last_byte),];
    prop::collection::vec(word, 0..4).prop_map(|words| words.concat())
}

pub fn step() -> impl Strategy<Value = Step> {
    let inits = [
        vec![0x60, 0x01, 0x5f, 0xf3],                // one byte of code
        vec![0x60, 7, 0x5f, 0x55, 0x5f, 0x5f, 0xf3], // a slot, no code
        vec![0x30, 0xff],                            // destroys itself
        vec![0xfe],
    ];
    let kind = prop_oneof![
        4 => place().prop_map(Kind::Transfer),
        1 => (place(), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(to, input)| Kind::Legacy(to, input.into())),
        6 => (place(), words()).prop_map(|(to, input)| Kind::Call(to, input)),
        1 => (place(), words()).prop_map(|(to, input)| Kind::Listed(to, input)),
        1 => prop::sample::select(inits.to_vec()).prop_map(|init| Kind::Create(init.into())),
        1 => (1..=RICH + 1, (0..6u8).prop_map(contract), 0..3u64)
            .prop_map(|(number, to, nonce)| Kind::Delegate(number, to, nonce)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Kind::Garbage),
        1 => Just(Kind::Forged),
    ];
    let gap = prop_oneof![12 => Just(0u64), 1 => 1..3u64];
    let gas_limit = prop_oneof![6 => Just(200_000u64), 1 => 20_000..60_000u64, 1 => Just(16_000_000u64)];
    let value = prop_oneof![6 => 0..4u128, 2 => Just(ETHER), 1 => Just(6 * ETHER), 1 => Just(100 * ETHER)];
    let sender = prop_oneof![12 => 1..=RICH, 1 => Just(RICH + 1)];
    (sender, gap, gas_limit, value, kind).prop_map(|(user, nonce_gap, gas_limit, value, kind)| Step {
        user,
        nonce_gap,
        gas_limit,
        value,
        kind,
    })
}

pub fn any_deposit() -> impl Strategy<Value = Bytes> {
    let gas_limit = prop_oneof![20_000..22_000u64, Just(150_000u64)];
    let to = prop_oneof![6 => place().prop_map(TxKind::Call), 1 => Just(TxKind::Create)];
    let value = prop_oneof![Just(0u128), Just(1), Just(ETHER)];
    let tx = (gas_limit, prop_oneof![Just(0u128), Just(ETHER)], value, place(), to, words());
    tx.prop_map(|(gas_limit, mint, value, from, to, input)| {
        let value = U256::from(value);
        encode(&deposit(TxDeposit {
            gas_limit,
            mint,
            value,
            from,
            to,
            input: input.into(),
            ..TxDeposit::default()
        }))
    })
}

/// What `steps` come to, as the users' transactions of a block. Nonces count the steps that may be valid.
pub fn transactions(steps: &[Step]) -> Vec<Bytes> {
    let mut next = [0u64; RICH as usize + 2];
    steps.iter().map(|step| bytes(step, &mut next)).collect()
}

fn bytes(step: &Step, next: &mut [u64]) -> Bytes {
    match &step.kind {
        Kind::Garbage(garbage) => [&[2], &garbage[..]].concat().into(), // not a deposit's type, which is forced
        Kind::Forged => encode(&deposit(TxDeposit { mint: ETHER, ..TxDeposit::default() })),
        _ => encode(&transaction(step, next)),
    }
}

fn transaction(step: &Step, next: &mut [u64]) -> OpTxEnvelope {
    let signer = user(step.user);
    let expected = &mut next[usize::from(step.user)];
    let nonce = *expected + step.nonce_gap;
    // What is certain to be left out does not use its nonce up.
    let affordable = step.user <= RICH && step.value < 7 * ETHER;
    *expected += u64::from(step.nonce_gap == 0 && affordable && step.gas_limit > 100_000);
    let base = call(nonce, Address::ZERO, step.value);
    let (chain_id, gas_limit, gas_price) = (RULES.chain_id(), step.gas_limit, 2_000_000);
    let (value, max_fee_per_gas) = (U256::from(step.value), 2_000_000);
    match &step.kind {
        Kind::Transfer(to) => {
            let gas_limit = if *to == signer.address() { gas_limit } else { 21_000 };
            sign(&signer, alloy::consensus::TxEip1559 { to: TxKind::Call(*to), gas_limit, ..base })
        }
        Kind::Legacy(to, input) => {
            let (to, input) = (TxKind::Call(*to), input.clone());
            sign(
                &signer,
                TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, value, input },
            )
        }
        Kind::Call(to, input) => {
            let (to, input) = (TxKind::Call(*to), input.clone().into());
            sign(&signer, alloy::consensus::TxEip1559 { to, input, gas_limit, ..base })
        }
        Kind::Listed(to, input) => {
            let keys = input.chunks_exact(32).map(B256::from_slice).collect();
            let access_list = AccessList(vec![AccessListItem { address: *to, storage_keys: keys }]);
            let (to, input) = (TxKind::Call(*to), input.clone().into());
            let tx = TxEip2930 { chain_id, nonce, gas_price, gas_limit, to, value, access_list, input };
            sign(&signer, tx)
        }
        Kind::Create(init) => {
            let (to, input) = (TxKind::Create, init.clone());
            sign(&signer, alloy::consensus::TxEip1559 { to, input, gas_limit, ..base })
        }
        Kind::Delegate(number, address, authorized) => {
            let authority = user(*number);
            let (address, authorized) = (*address, *authorized);
            let authorization = Authorization { chain_id: U256::from(chain_id), address, nonce: authorized };
            let signature = authority.sign_hash_sync(&authorization.signature_hash()).unwrap();
            let authorization_list = vec![authorization.into_signed(signature)];
            let (to, input) = (authority.address(), Bytes::from(B256::with_last_byte(1)));
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                to,
                value,
                input,
                authorization_list,
                ..TxEip7702::default()
            };
            sign(&signer, tx)
        }
        Kind::Garbage(_) | Kind::Forged => unreachable!("no transaction of a user"),
    }
}

/// The sender that the signature gives.
pub fn sender(_: usize, tx: &OpTxEnvelope) -> Option<Address> {
    alloy::consensus::transaction::SignerRecoverable::recover_signer(tx).ok()
}

pub fn recovered(bytes: &Bytes) -> Option<Recovered<OpTxEnvelope>> {
    lockstep_stf::decode_user(bytes, |tx| sender(0, tx)).ok()
}

/// Executes a block by `stf` and by every executor.
///
/// # Panics
/// If an executor differs from `stf`.
pub fn assert_equal(db: &InMemoryDB, inputs: &BlockInputs) -> Executed {
    let truth = execute_with_access_list(db.clone(), &RULES, &parent(), inputs, sender).unwrap();
    for executor in EXECUTORS.iter() {
        let done = rollup::execute(executor, db, &RULES, &parent(), inputs, sender).unwrap();
        let name = format!("{:?}", executor.options());
        assert_same(&done.executed, &truth, &name);
        if executor.options().record_access {
            assert_same_list(&done.executed, &truth, &name);
        } else {
            assert!(done.executed.access_list.is_none());
        }
    }
    truth
}

pub fn assert_same(ours: &Executed, truth: &Executed, name: &str) {
    assert_eq!(ours.dropped, truth.dropped, "{name}");
    assert_eq!(ours.transactions, truth.transactions, "{name}");
    assert_eq!(ours.senders, truth.senders, "{name}");
    assert_eq!(ours.receipts, truth.receipts, "{name}");
    assert_eq!(ours.draft, truth.draft, "{name}");
    let (ours, truth) = (Changes::from_bundle(&ours.bundle), Changes::from_bundle(&truth.bundle));
    for address in ours.accounts.keys().chain(truth.accounts.keys()) {
        assert_eq!(ours.accounts.get(address), truth.accounts.get(address), "{address} by {name}");
    }
    assert_eq!(ours, truth, "{name}");
}

fn assert_same_list(ours: &Executed, truth: &Executed, name: &str) {
    let (Some(ours), Some(truth)) = (&ours.access_list, &truth.access_list) else {
        panic!("no list by {name}")
    };
    for address in ours.accounts.keys().chain(truth.accounts.keys()) {
        assert_eq!(ours.accounts.get(address), truth.accounts.get(address), "{address} by {name}");
    }
    assert_eq!(ours.clone().into_alloy_bal(), truth.clone().into_alloy_bal(), "{name}");
}

/// Inputs of the block with `deposits` and the users' `transactions`.
pub fn block_of(deposits: Vec<Bytes>, transactions: Vec<Bytes>, gas_limit: u64) -> BlockInputs {
    BlockInputs { gas_limit, ..inputs(deposits.into_iter().chain(transactions)) }
}
