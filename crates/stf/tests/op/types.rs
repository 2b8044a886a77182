//! Transaction types, and the two opcodes whose meaning moved: SELFDESTRUCT and calls to delegated accounts.

use alloy::{
    consensus::{TxEip2930, TxEip7702, TxLegacy},
    eips::{
        eip2930::{AccessList, AccessListItem},
        eip7702::Authorization,
    },
    primitives::{Address, B256, TxKind, U256, address},
    signers::SignerSync,
};
use alloy_consensus::{Sealed, TxReceipt, transaction::Recovered};
use lockstep_primitives::{OpTxEnvelope, TxDeposit};
use lockstep_stf::{BlockBuilder, PushError, Rejected};

use lockstep_testkit::l2::{
    RULES, attributes, balance, block, call, db, encode, inputs, parent, put_code, sign, slot, user,
};

const BOB: Address = address!("0000000000000000000000000000000000000b0b");
const CONTRACT: Address = address!("00000000000000000000000000000000000c0de0");
/// `sstore(0, 42)`.
const STORES_42: [u8; 5] = [0x60, 42, 0x5f, 0x55, 0x00];

fn delegate_to_contract(nonce: u64) -> TxEip7702 {
    let authorization = Authorization { chain_id: U256::from(RULES.chain_id()), address: CONTRACT, nonce: 0 };
    let signature = user(2).sign_hash_sync(&authorization.signature_hash()).unwrap();
    TxEip7702 {
        chain_id: RULES.chain_id(),
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 2_000_000,
        to: user(2).address(),
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    }
}

#[test]
fn types_0_1_2_and_4_are_included() {
    let legacy = TxLegacy {
        chain_id: Some(RULES.chain_id()),
        nonce: 0,
        gas_price: 2_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(BOB),
        value: U256::from(1),
        ..TxLegacy::default()
    };
    let listed = TxEip2930 {
        chain_id: RULES.chain_id(),
        nonce: 1,
        gas_price: 2_000_000,
        gas_limit: 50_000,
        to: TxKind::Call(BOB),
        access_list: AccessList(vec![AccessListItem { address: BOB, storage_keys: vec![B256::ZERO] }]),
        ..TxEip2930::default()
    };
    let signer = user(1);
    let txs = [
        sign(&signer, legacy),
        sign(&signer, listed),
        sign(&signer, call(2, BOB, 1)),
        sign(&signer, delegate_to_contract(3)),
    ];
    let executed = block(db(), txs.iter().map(encode));
    assert_eq!(executed.dropped, []);
    assert!(executed.receipts.iter().all(TxReceipt::status));
    let types: Vec<u8> = executed.transactions[1..].iter().map(|tx| tx.tx_type().into()).collect();
    assert_eq!(types, [0, 1, 2, 4]);
}

#[test]
fn types_that_are_not_for_users_are_rejected() {
    let mut builder = BlockBuilder::new(db(), &RULES, &parent(), &inputs([])).unwrap();
    let post_exec = OpTxEnvelope::PostExec(Sealed::new(Default::default()));
    for (tx, ty) in
        [(attributes(), 0x7e), (OpTxEnvelope::from(TxDeposit::default()), 0x7e), (post_exec, 0x7d)]
    {
        let result = builder.push(Recovered::new_unchecked(tx, Address::ZERO));
        assert!(matches!(result, Err(PushError::Rejected(Rejected::Type(seen))) if seen == ty), "{ty}");
    }
    assert_eq!(block(db(), [vec![3, 0xc0].into()]).dropped[0].reason, Rejected::Undecodable);
}

#[test]
fn a_delegated_account_runs_the_code_it_points_to() {
    let mut db = db();
    put_code(&mut db, CONTRACT, &STORES_42);
    let executed = block(db, [encode(&sign(&user(1), delegate_to_contract(0)))]);
    assert!(executed.receipts[1].status());
    assert_eq!(slot(&executed, user(2).address(), 0), Some(U256::from(42)));
    assert_eq!(slot(&executed, CONTRACT, 0), None);
}

#[test]
fn selfdestruct_moves_the_balance_and_keeps_an_old_contract() {
    let mut code = vec![0x73]; // push20 bob; selfdestruct
    code.extend_from_slice(BOB.as_slice());
    code.push(0xff);
    let mut db = db();
    put_code(&mut db, CONTRACT, &code);
    let executed = block(db, [encode(&sign(&user(1), call(0, CONTRACT, 9)))]);
    assert_eq!(balance(&executed, BOB), U256::from(9));
    let contract = executed.bundle.account(&CONTRACT).map(|account| account.info.clone());
    assert!(contract.is_none_or(|info| info.is_some_and(|info| !info.is_empty_code_hash())));
}

#[test]
fn selfdestruct_in_the_creating_transaction_removes_the_contract() {
    let mut create = call(0, BOB, 9);
    create.to = TxKind::Create;
    let mut code = vec![0x73]; // push20 bob; selfdestruct, as init code
    code.extend_from_slice(BOB.as_slice());
    code.push(0xff);
    create.input = code.into();
    let executed = block(db(), [encode(&sign(&user(1), create))]);
    assert!(executed.receipts[1].status());
    assert_eq!(balance(&executed, BOB), U256::from(9));
    let created = executed.bundle.account(&user(1).address().create(0));
    assert!(created.is_none_or(|account| account.info.is_none()));
}
