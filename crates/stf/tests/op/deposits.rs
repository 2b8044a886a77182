//! Deposits: always included, whatever happens in them.

use alloy::primitives::{Address, TxKind, U256, address};
use alloy_consensus::TxReceipt;
use lockstep_primitives::{OpReceiptEnvelope, TxDeposit};
use lockstep_stf::{Rejected, StfError, execute};

use lockstep_testkit::l2::{
    ETHER, RULES, attributes, balance, block, call, db, deposit, encode, inputs, nonce, parent, put_code,
    sign, user,
};

const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
const BOB: Address = address!("0000000000000000000000000000000000000b0b");
const CONTRACT: Address = address!("00000000000000000000000000000000000c0de0");

fn from_alice(tx: TxDeposit) -> TxDeposit {
    TxDeposit { from: ALICE, to: TxKind::Call(BOB), gas_limit: 50_000, ..tx }
}

fn succeeded(receipt: &OpReceiptEnvelope) -> bool {
    receipt.status_or_post_state().coerce_status()
}

#[test]
fn a_deposit_mints_and_pays_no_gas() {
    let tx = from_alice(TxDeposit { mint: ETHER, value: U256::from(ETHER / 4), ..TxDeposit::default() });
    let executed = block(db(), [encode(&deposit(tx))]);
    assert!(succeeded(&executed.receipts[1]));
    assert_eq!(balance(&executed, ALICE), U256::from(ETHER - ETHER / 4));
    assert_eq!(balance(&executed, BOB), U256::from(ETHER / 4));
    assert_eq!(nonce(&executed, ALICE), 1);
}

#[test]
fn a_deposit_that_reverts_keeps_its_mint_and_its_nonce() {
    let mut db = db();
    put_code(&mut db, BOB, &[0x5f, 0x5f, 0xfd]); // revert(0, 0)
    let tx = from_alice(TxDeposit { mint: ETHER, value: U256::from(1), ..TxDeposit::default() });
    let executed = block(db, [encode(&deposit(tx))]);
    assert!(!succeeded(&executed.receipts[1]));
    assert_eq!(balance(&executed, ALICE), U256::from(ETHER));
    assert_eq!(nonce(&executed, ALICE), 1);
}

#[test]
fn a_deposit_that_halts_is_included_and_uses_all_its_gas() {
    let mut db = db();
    put_code(&mut db, BOB, &[0xfe]); // invalid
    let tx = from_alice(TxDeposit { mint: 5, ..TxDeposit::default() });
    let executed = block(db, [encode(&deposit(tx))]);
    assert!(!succeeded(&executed.receipts[1]));
    assert_eq!(balance(&executed, ALICE), U256::from(5));
    assert_eq!(nonce(&executed, ALICE), 1);
    let used = executed.receipts[1].cumulative_gas_used() - executed.receipts[0].cumulative_gas_used();
    assert_eq!(used, 50_000);
}

#[test]
fn a_deposit_beyond_its_balance_or_below_intrinsic_gas_is_included_as_failed() {
    let poor = from_alice(TxDeposit { value: U256::from(1), ..TxDeposit::default() });
    let scarce = TxDeposit { gas_limit: 20_999, mint: 3, ..from_alice(TxDeposit::default()) };
    let executed = block(db(), [encode(&deposit(poor)), encode(&deposit(scarce))]);
    assert_eq!(executed.transactions.len(), 3);
    assert!(!succeeded(&executed.receipts[1]));
    assert!(!succeeded(&executed.receipts[2]));
    assert_eq!(nonce(&executed, ALICE), 2);
    assert_eq!(balance(&executed, ALICE), U256::from(3));
}

#[test]
fn a_deposit_creates_a_contract_where_the_nonce_says() {
    // Init code that returns one byte of code: 00.
    let tx = TxDeposit {
        to: TxKind::Create,
        gas_limit: 200_000,
        input: vec![0x60, 0x01, 0x5f, 0xf3].into(),
        ..from_alice(TxDeposit::default())
    };
    let executed = block(db(), [encode(&deposit(tx))]);
    let created = executed.bundle.account(&ALICE.create(0)).unwrap();
    assert!(created.info.as_ref().unwrap().code_hash != alloy::primitives::KECCAK256_EMPTY);
}

#[test]
fn a_deposit_may_come_from_a_contract() {
    let mut db = db();
    put_code(&mut db, CONTRACT, &[0x00]);
    let tx = TxDeposit { from: CONTRACT, ..from_alice(TxDeposit::default()) };
    let executed = block(db, [encode(&deposit(tx))]);
    assert!(succeeded(&executed.receipts[1]));
}

#[test]
fn receipts_of_deposits_carry_nonce_and_version() {
    let first = from_alice(TxDeposit::default());
    let executed = block(db(), [encode(&deposit(first.clone())), encode(&deposit(first))]);
    let seen: Vec<_> = executed
        .receipts
        .iter()
        .map(|receipt| match receipt {
            OpReceiptEnvelope::Deposit(receipt) => {
                (receipt.receipt.deposit_nonce, receipt.receipt.deposit_receipt_version)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(seen, [(Some(0), Some(1)), (Some(0), Some(1)), (Some(1), Some(1))]);
}

#[test]
fn a_block_without_attributes_is_refused() {
    let mut inputs = inputs([encode(&deposit(from_alice(TxDeposit::default())))]);
    inputs.transactions.remove(0);
    for transactions in
        [inputs.transactions.clone(), Vec::new(), vec![encode(&sign(&user(1), call(0, BOB, 1)))]]
    {
        inputs.transactions = transactions;
        let result = execute(db(), &RULES, &parent(), &inputs);
        assert!(matches!(result, Err(StfError::MissingAttributes)));
    }
}

#[test]
fn a_deposit_that_does_not_fit_the_block_stops_it() {
    let tx = TxDeposit { gas_limit: 30_000_000, ..from_alice(TxDeposit::default()) };
    let result = execute(db(), &RULES, &parent(), &inputs([encode(&deposit(tx))]));
    assert!(matches!(
        result,
        Err(StfError::Forced { index: 1, reason: Rejected::Gas { limit: 30_000_000, .. } })
    ));
}

#[test]
fn a_deposit_with_broken_bytes_stops_the_block() {
    let mut bytes = encode(&deposit(from_alice(TxDeposit::default()))).to_vec();
    bytes.pop();
    let result = execute(db(), &RULES, &parent(), &inputs([bytes.into()]));
    assert!(matches!(result, Err(StfError::Forced { index: 1, reason: Rejected::Undecodable })));
}

#[test]
fn a_deposit_after_the_first_user_transaction_is_dropped() {
    let forged = deposit(from_alice(TxDeposit { mint: ETHER, ..TxDeposit::default() }));
    let executed =
        block(db(), [encode(&sign(&user(1), call(0, BOB, 1))), encode(&forged), encode(&attributes())]);
    assert_eq!(executed.transactions.len(), 2);
    assert_eq!(balance(&executed, ALICE), U256::ZERO);
    let reasons: Vec<_> = executed.dropped.iter().map(|dropped| (dropped.index, &dropped.reason)).collect();
    assert_eq!(reasons, [(2, &Rejected::Type(0x7e)), (3, &Rejected::Type(0x7e))]);
}
