//! Transfers without an EVM against transfers with one.

use std::convert::Infallible;

use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, map::AddressMap};
use op_revm::{
    DefaultOp, L1BlockInfo, OpBuilder, OpContext, OpSpecId, OpTransaction,
    constants::{BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT},
    transaction::deposit::DepositTransactionParts,
};
use proptest::{prelude::*, sample::select};
use revm::{
    Database, ExecuteEvm,
    bytecode::Bytecode,
    context::{BlockEnv, CfgEnv, Transaction, TxEnv, result::EVMError},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::hardfork::SpecId,
    state::AccountInfo,
};

use crate::{Ethereum, Lane, Optimism, Vm, serial::transfer_result};

const SENDER: Address = address!("0x1000000000000000000000000000000000000001");
const FRIEND: Address = address!("0x2000000000000000000000000000000000000002");
const NOBODY: Address = address!("0x3000000000000000000000000000000000000003");
const CONTRACT: Address = address!("0x4000000000000000000000000000000000000004");
const MINER: Address = address!("0xfe00000000000000000000000000000000000008");
const GAS_LIMIT: u64 = 30_000_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State(AddressMap<AccountInfo>);

impl Database for State {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.0.get(&address).cloned())
    }

    fn code_by_hash(&mut self, _: B256) -> Result<Bytecode, Infallible> {
        unreachable!("codes come with their accounts")
    }

    fn storage(&mut self, _: Address, _: U256) -> Result<U256, Infallible> {
        Ok(U256::ZERO)
    }

    fn block_hash(&mut self, _: u64) -> Result<B256, Infallible> {
        Ok(B256::ZERO)
    }
}

impl State {
    /// Balance and nonce of all accounts that are not empty.
    fn balances(&self) -> AddressMap<(U256, u64)> {
        let full = self.0.iter().filter(|(_, info)| !info.is_empty());
        full.map(|(address, info)| (*address, (info.balance, info.nonce))).collect()
    }

    fn credit(&mut self, address: Address, wei: U256) {
        self.0.entry(address).or_default().balance += wei;
    }
}

/// A transaction of any kind and the block and state that it meets.
#[derive(Clone, Debug)]
struct Case {
    block: BlockEnv,
    tx: TxEnv,
    /// What the sender has beyond what it must have, in wei; may be below zero.
    surplus: i64,
    sender_nonce: u64,
    friend: u64,
    paid: u64,
}

impl Case {
    fn state(&self, max_cost: Option<U256>) -> State {
        let with = |balance, nonce| AccountInfo { balance, nonce, ..AccountInfo::default() };
        let max_cost = max_cost.unwrap_or(U256::MAX);
        let surplus = U256::from(self.surplus.unsigned_abs());
        let balance = if self.surplus < 0 {
            max_cost.saturating_sub(surplus)
        } else {
            max_cost.saturating_add(surplus)
        };
        let code = Bytecode::new_legacy(Bytes::from_static(&[0x5f, 0x54]));
        let contract = AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(code) };
        let mut state = State::default();
        state.0.insert(FRIEND, with(U256::from(self.friend), 3));
        state.0.insert(CONTRACT, contract);
        for account in [MINER, BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT] {
            state.0.insert(account, with(U256::from(self.paid), 0));
        }
        state.0.insert(SENDER, with(balance, self.sender_nonce));
        state.0.retain(|_, info| !info.is_empty());
        state
    }

    /// Whether revm alone decides: it carries something that a plain transfer does not.
    fn is_bare(&self) -> bool {
        self.tx.tx_type <= 2
            && self.tx.data.is_empty()
            && self.tx.access_list.is_empty()
            && self.tx.kind.is_call()
    }

    fn is_fair(&self) -> bool {
        self.surplus >= 0 && self.sender_nonce == self.tx.nonce
    }
}

fn one_in<T: Clone + std::fmt::Debug + 'static>(weight: u32, usual: T, rare: T) -> impl Strategy<Value = T> {
    prop_oneof![weight => Just(usual), 1 => Just(rare)]
}

fn recipient() -> impl Strategy<Value = Address> {
    let others =
        [SENDER, NOBODY, CONTRACT, MINER, BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT];
    prop_oneof![
        6 => Just(FRIEND),
        4 => select(others.to_vec()),
        1 => (0_u8..20).prop_map(Address::with_last_byte),
        1 => (0_u64..2).prop_map(|last| Address::left_padding_from(&(0x100 + last).to_be_bytes())),
    ]
}

fn tx() -> impl Strategy<Value = TxEnv> {
    let limits = [20_999, 21_000, 21_001, 90_000, 1 << 24, (1 << 24) + 1, GAS_LIMIT, GAS_LIMIT + 1];
    let limit = prop_oneof![3 => Just(21_000), 3 => select(limits.to_vec())];
    let price = prop_oneof![
        8 => 0_u128..20,
        2 => (0_u128..4).prop_map(|more| 1_000_000_000 + more),
        1 => Just(u128::MAX / 21_000),
        1 => Just(u128::MAX),
    ];
    let tip = prop_oneof![3 => 0_u128..20, 1 => Just(u128::MAX)];
    let nonce = prop_oneof![3 => 0_u64..3, 1 => Just(u64::MAX - 1), 1 => Just(u64::MAX)];
    let value =
        prop_oneof![4 => (0_u64..5).prop_map(U256::from), 1 => Just(U256::ONE << 100), 1 => Just(U256::MAX)];
    let chain_id = prop_oneof![6 => Just(Some(1)), 2 => Just(None), 1 => Just(Some(2))];
    let item = AccessListItem { address: FRIEND, storage_keys: vec![B256::ZERO] };
    let extras = (
        one_in(9, Bytes::new(), Bytes::from_static(&[0])),
        one_in(9, AccessList::default(), AccessList(vec![item])),
        one_in(19, false, true),
    );
    ((0_u8..4, limit, price, tip), (nonce, value, chain_id, recipient()), extras).prop_map(
        |(
            (tx_type, gas_limit, gas_price, tip),
            (nonce, value, chain_id, to),
            (data, access_list, creates),
        )| TxEnv {
            tx_type,
            caller: SENDER,
            gas_limit,
            gas_price,
            kind: if creates { TxKind::Create } else { TxKind::Call(to) },
            value,
            data,
            nonce,
            chain_id,
            access_list,
            gas_priority_fee: (tx_type > 1).then_some(tip),
            blob_hashes: if tx_type == 3 { vec![B256::repeat_byte(1)] } else { Vec::new() },
            max_fee_per_blob_gas: if tx_type == 3 { 3 } else { 0 },
            ..TxEnv::default()
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let beneficiary = prop_oneof![
        4 => Just(MINER),
        1 => select(vec![SENDER, FRIEND, NOBODY, BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT]),
    ];
    let block = (beneficiary, select(vec![0_u64, 1, 7, 1_000_000_000]));
    let surplus = prop_oneof![Just(-1_i64), Just(0), Just(1), Just(1_000_000_000)];
    (block, tx(), surplus, 0_u64..3, select(vec![0_u64, 5]), select(vec![0_u64, 9])).prop_map(
        |((beneficiary, basefee), tx, surplus, nonce, friend, paid)| {
            let sender_nonce = if nonce == 0 { 0 } else { tx.nonce };
            let blob = BlobExcessGasAndPrice { excess_blob_gas: 0, blob_gasprice: 1 };
            let block = BlockEnv {
                beneficiary,
                basefee,
                gas_limit: GAS_LIMIT,
                prevrandao: Some(B256::ZERO),
                blob_excess_gas_and_price: Some(blob),
                ..BlockEnv::default()
            };
            Case { block, tx, surplus, sender_nonce, friend, paid }
        },
    )
}

/// With the sender's balance at, above and below it, `max_cost` decides; a transfer does what revm does; and every
/// bare transaction that revm accepts is a transfer.
fn equals_revm<V: Vm<Tx: Clone>>(vm: &V, case: &Case, tx: V::Tx) -> Result<(), TestCaseError> {
    let max_cost = vm.max_cost(&tx);
    let mut state = case.state(max_cost);
    let ran = vm.lane(state.clone()).run(tx.clone());
    let is_poor = max_cost.is_none_or(|wei| state.0.get(&SENDER).is_none_or(|info| info.balance < wei));
    let is_invalid = matches!(ran, Err(EVMError::Transaction(_)));
    let lacks_funds = is_invalid && format!("{ran:?}").contains("LackOfFund");
    if is_poor && max_cost != Some(U256::ZERO) {
        prop_assert!(is_invalid);
    }
    prop_assert!(is_poor || !lacks_funds, "{ran:?}");
    let Some(transfer) = vm.transfer(&tx) else {
        let known = vm.spec().is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let decided = known && case.is_bare() && case.is_fair() && tx.kind() != TxKind::Call(CONTRACT);
        let precompile = tx.kind().to().is_some_and(|to| to[..18].iter().all(|byte| *byte == 0));
        prop_assert!(!decided || precompile || is_invalid, "{ran:?}");
        return Ok(());
    };
    prop_assert!(case.is_bare());
    prop_assert_eq!(Some(transfer.max_cost), max_cost);
    let received = state.0.get(&transfer.to).map_or(U256::ZERO, |info| info.balance);
    if transfer.to == CONTRACT || received.checked_add(transfer.value).is_none() {
        return Ok(());
    }
    if !case.is_fair() {
        prop_assert!(is_invalid || max_cost == Some(U256::ZERO), "{ran:?}");
        return Ok(());
    }
    let ran = ran.map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
    prop_assert_eq!(&ran.result, &transfer_result(&transfer, vm.spec()));

    let mut after = state.clone();
    after.0.extend(ran.state.into_iter().map(|(address, account)| (address, account.info)));
    let sender = state.0.entry(SENDER).or_default();
    sender.nonce += 1;
    sender.balance -= transfer.value + transfer.fee;
    state.credit(transfer.to, transfer.value);
    for (account, wei) in vm.fee_accounts().iter().zip(&transfer.rewards) {
        state.credit(*account, *wei);
    }
    prop_assert_eq!(after.balances(), state.balances());
    Ok(())
}

const ETHEREUM: [SpecId; 11] = [
    SpecId::TANGERINE,
    SpecId::SPURIOUS_DRAGON,
    SpecId::PETERSBURG,
    SpecId::ISTANBUL,
    SpecId::BERLIN,
    SpecId::LONDON,
    SpecId::MERGE,
    SpecId::SHANGHAI,
    SpecId::CANCUN,
    SpecId::PRAGUE,
    SpecId::OSAKA,
];

const OP: [OpSpecId; 11] = [
    OpSpecId::BEDROCK,
    OpSpecId::REGOLITH,
    OpSpecId::CANYON,
    OpSpecId::ECOTONE,
    OpSpecId::FJORD,
    OpSpecId::GRANITE,
    OpSpecId::HOLOCENE,
    OpSpecId::ISTHMUS,
    OpSpecId::JOVIAN,
    OpSpecId::KARST,
    OpSpecId::INTEROP,
];

fn l1() -> impl Strategy<Value = L1BlockInfo> {
    let number = || prop_oneof![1 => Just(0_u64), 3 => 1_u64..5_000_000, 1 => Just(u64::MAX)];
    let maybe = move || prop::option::of(number().prop_map(U256::from));
    let huge = || prop_oneof![9 => 0_u64..1_000_000, 1 => Just(u64::MAX)];
    ((number(), number(), maybe(), maybe(), maybe()), huge(), huge(), any::<bool>()).prop_map(
        |((base_fee, scalar, overhead, blob_fee, blob_scalar), operator, constant, unset)| L1BlockInfo {
            l1_base_fee: U256::from(base_fee),
            l1_base_fee_scalar: U256::from(scalar),
            l1_fee_overhead: overhead,
            l1_blob_base_fee: blob_fee,
            l1_blob_base_fee_scalar: blob_scalar,
            operator_fee_scalar: (!unset).then_some(U256::from(operator)),
            operator_fee_constant: (!unset).then_some(U256::from(constant)),
            empty_ecotone_scalars: unset,
            ..L1BlockInfo::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6000))]

    #[test]
    fn ethereum_transfers_equal_revm(spec in select(&ETHEREUM[..]), case in case()) {
        let mut block = case.block.clone();
        if !spec.is_enabled_in(SpecId::LONDON) {
            block.basefee = 0;
        }
        equals_revm(&Ethereum::new(CfgEnv::new_with_spec(spec), block), &case, case.tx.clone())?;
    }

    #[test]
    fn op_transfers_equal_revm(
        spec in select(&OP[..]),
        case in case(),
        l1 in l1(),
        envelope in prop_oneof![
            12 => prop::collection::vec(any::<u8>(), 90..260).prop_map(|mut bytes| { bytes[0] = 2; Some(bytes.into()) }),
            1 => Just(Some(Bytes::new())),
            1 => Just(None),
            1 => Just(Some(Bytes::from_static(&[0x7E, 1]))),
        ],
    ) {
        let vm = Optimism::new(CfgEnv::new_with_spec(spec), case.block.clone(), l1.clone());
        let odd = envelope.as_ref().is_none_or(|bytes: &Bytes| bytes.is_empty() || bytes[0] == 0x7E);
        let tx = OpTransaction { enveloped_tx: envelope, ..OpTransaction::new(case.tx.clone()) };
        let state = case.state(vm.max_cost(&tx));
        let l1 = L1BlockInfo {
            l2_block: Some(case.block.number),
            operator_fee_scalar: Some(l1.operator_fee_scalar.unwrap_or_default()),
            operator_fee_constant: Some(l1.operator_fee_constant.unwrap_or_default()),
            ..l1
        };
        let context = OpContext::op().with_db(state.clone()).with_block(case.block.clone());
        let mut evm = context.with_cfg(CfgEnv::new_with_spec(spec)).with_chain(l1).build_op();
        let expected = evm.transact(tx.clone()).map(|ran| (ran.result, ran.state));
        prop_assert_eq!(vm.lane(state).run(tx.clone()).map(|ran| (ran.result, ran.state)), expected);
        if odd {
            prop_assert_eq!(vm.transfer(&tx), None);
        } else {
            equals_revm(&vm, &case, tx)?;
        }
    }
}

fn usual() -> (BlockEnv, TxEnv) {
    let block = BlockEnv {
        beneficiary: MINER,
        basefee: 7,
        gas_limit: GAS_LIMIT,
        prevrandao: Some(B256::ZERO),
        ..BlockEnv::default()
    };
    let tx = TxEnv {
        tx_type: 2,
        caller: SENDER,
        gas_limit: 21_000,
        gas_price: 20,
        gas_priority_fee: Some(2),
        kind: TxKind::Call(FRIEND),
        value: U256::from(5),
        ..TxEnv::default()
    };
    (block, tx)
}

#[test]
fn amsterdam_transfers_are_left_to_revm() {
    let (block, tx) = usual();
    assert!(Ethereum::new(CfgEnv::new_with_spec(SpecId::OSAKA), block.clone()).transfer(&tx).is_some());
    assert!(Ethereum::new(CfgEnv::new_with_spec(SpecId::AMSTERDAM), block).transfer(&tx).is_none());
}

#[test]
fn lenient_rules_leave_transfers_to_revm() {
    let (block, tx) = usual();
    let mut cfg = CfgEnv::new_with_spec(SpecId::OSAKA);
    cfg.disable_nonce_check = true;
    assert!(Ethereum::new(cfg, block).transfer(&tx).is_none());
}

#[test]
fn deposits_are_no_transfers() {
    let (block, tx) = usual();
    let vm = Optimism::new(CfgEnv::new_with_spec(OpSpecId::JOVIAN), block, L1BlockInfo::default());
    let mut tx =
        OpTransaction { enveloped_tx: Some(Bytes::from_static(&[2; 100])), ..OpTransaction::new(tx) };
    assert!(vm.transfer(&tx).is_some());
    tx.deposit =
        DepositTransactionParts { source_hash: B256::repeat_byte(1), ..DepositTransactionParts::default() };
    assert!(vm.transfer(&tx).is_none());
}

#[test]
fn fee_accounts_are_named_once() {
    let (mut block, _) = usual();
    block.beneficiary = BASE_FEE_RECIPIENT;
    let vm = Optimism::new(CfgEnv::new_with_spec(OpSpecId::JOVIAN), block, L1BlockInfo::default());
    assert_eq!(vm.fee_accounts(), [BASE_FEE_RECIPIENT, L1_FEE_RECIPIENT, OPERATOR_FEE_RECIPIENT]);
}

#[test]
fn small_transactions_have_the_least_footprint() {
    let (block, tx) = usual();
    let l1 = L1BlockInfo { da_footprint_gas_scalar: Some(400), ..L1BlockInfo::default() };
    let footprint = |spec, envelope: Vec<u8>| {
        let tx = OpTransaction { enveloped_tx: Some(envelope.into()), ..OpTransaction::new(tx.clone()) };
        Optimism::new(CfgEnv::new_with_spec(spec), block.clone(), l1.clone()).footprint(&tx)
    };
    // The estimate is at least 100 bytes.
    assert_eq!(footprint(OpSpecId::JOVIAN, vec![2; 50]), 40_000);
    assert!(footprint(OpSpecId::KARST, (0..2000_u32).map(|at| (at * 37 % 251) as u8).collect()) > 40_000);
    assert_eq!(footprint(OpSpecId::ISTHMUS, vec![2; 50]), 0);
}
