//! What the pool refuses, in geth's words.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip7702, TxLegacy},
    eips::Encodable2718,
    primitives::{Address, Bytes, Signature, TxKind, U256},
    signers::SignerSync,
};
use lockstep_primitives::{Genesis, OpTxEnvelope, TxDeposit};
use lockstep_state::{StateOptions, StateStore};
use lockstep_stf::Rules;
use tempfile::TempDir;

use super::rig::{CHAIN_ID, MAX_FEE, body, deposit, key, rollup, signed, transfer};
use crate::{
    admission::{HeadView, MAX_TX_BYTES, admit},
    rpc::SubmitError,
};

const NOBODY: Address = Address::repeat_byte(0x77);

struct Head {
    view: HeadView,
    _disk: TempDir,
}

fn head() -> Head {
    let disk = TempDir::new().unwrap();
    let state = StateStore::open(disk.path(), StateOptions::default()).unwrap();
    let genesis = Genesis::new(&rollup());
    state.init_genesis(&genesis.alloc, genesis.hash).unwrap();
    let view = HeadView::new(Rules::new(CHAIN_ID), genesis.header, state.latest().unwrap()).unwrap();
    Head { view, _disk: disk }
}

fn refusal(raw: &Bytes) -> SubmitError {
    admit(raw, &head().view, None).unwrap_err()
}

fn legacy(chain_id: Option<u64>) -> Bytes {
    let body = TxLegacy {
        chain_id,
        gas_limit: 21_000,
        gas_price: MAX_FEE,
        to: TxKind::Call(NOBODY),
        ..TxLegacy::default()
    };
    let signature = key(0).sign_hash_sync(&body.signature_hash()).unwrap();
    OpTxEnvelope::from(body.into_signed(signature)).encoded_2718().into()
}

#[test]
fn a_valid_transaction_of_each_kind_is_admitted() {
    let head = head();
    for raw in [transfer(0, 0, NOBODY, 1), legacy(Some(CHAIN_ID))] {
        let (tx, account) = admit(&raw, &head.view, None).unwrap();
        assert_eq!((tx.sender, tx.nonce, account.nonce), (key(0).address(), 0, 0));
        assert_eq!(tx.raw, raw);
    }
}

#[test]
fn deposits_and_blob_transactions_are_not_for_users() {
    let deposit: TxDeposit = deposit(NOBODY, 1);
    let raw: Bytes = OpTxEnvelope::from(deposit).encoded_2718().into();
    assert_eq!(refusal(&raw), SubmitError::UnsupportedType);
    assert_eq!(refusal(&Bytes::from_static(&[3, 0xc0])), SubmitError::UnsupportedType);
}

#[test]
fn bytes_that_are_no_transaction_do_not_decode() {
    for raw in [&[][..], &[2], &[0xc0], &[2, 0xc1, 0x80], &[0xff; 40]] {
        assert!(matches!(refusal(&Bytes::copy_from_slice(raw)), SubmitError::Decode(_)), "{raw:?}");
    }
}

#[test]
fn trailing_bytes_do_not_decode() {
    let raw = [&transfer(0, 0, NOBODY, 1)[..], &[0]].concat();
    assert!(matches!(refusal(&raw.into()), SubmitError::Decode(_)));
}

#[test]
fn a_transaction_of_another_chain_or_of_none_is_refused() {
    let other = signed(0, TxEip1559 { chain_id: 1, ..body(0, NOBODY, 1) });
    assert_eq!(refusal(&other), SubmitError::ChainId { have: 1, want: CHAIN_ID });
    assert_eq!(refusal(&legacy(None)), SubmitError::Unprotected);
}

#[test]
fn size_is_bounded() {
    let raw = Bytes::from(vec![2; MAX_TX_BYTES + 1]);
    assert_eq!(refusal(&raw), SubmitError::Oversized { size: MAX_TX_BYTES + 1, limit: MAX_TX_BYTES });
}

#[test]
fn a_signature_that_recovers_to_nobody_is_refused() {
    let signature = Signature::new(U256::MAX, U256::from(1), false);
    let raw = OpTxEnvelope::from(body(0, NOBODY, 1).into_signed(signature)).encoded_2718();
    assert_eq!(refusal(&raw.into()), SubmitError::InvalidSender);
}

#[test]
fn fees_and_gas_are_checked_before_the_block_is_made() {
    let tip = TxEip1559 { max_priority_fee_per_gas: MAX_FEE + 1, ..body(0, NOBODY, 1) };
    assert_eq!(refusal(&signed(0, tip)), SubmitError::TipAboveFeeCap);
    let cheap = TxEip1559 { max_fee_per_gas: 99_999, max_priority_fee_per_gas: 0, ..body(0, NOBODY, 1) };
    assert!(matches!(refusal(&signed(0, cheap)), SubmitError::Underpriced { fee_cap: 99_999, .. }));
    let starved = TxEip1559 { gas_limit: 20_999, ..body(0, NOBODY, 1) };
    assert_eq!(refusal(&signed(0, starved)), SubmitError::IntrinsicGas { gas: 20_999, needed: 21_000 });
    let greedy = TxEip1559 { gas_limit: (1 << 24) + 1, ..body(0, NOBODY, 1) };
    assert!(matches!(refusal(&signed(0, greedy)), SubmitError::GasLimitTooHigh { .. }));
    let huge = TxEip1559 { gas_limit: 60_000_001, ..body(0, NOBODY, 1) };
    assert_eq!(refusal(&signed(0, huge)), SubmitError::ExceedsBlockGasLimit);
}

#[test]
fn calldata_must_pay_its_floor() {
    let raw = TxEip1559 { input: vec![1; 1_000].into(), gas_limit: 37_001, ..body(0, NOBODY, 1) };
    assert_eq!(
        refusal(&signed(0, raw)),
        SubmitError::FloorDataGas { gas: 37_001, needed: 21_000 + 1_000 * 40 }
    );
}

#[test]
fn creation_code_is_bounded() {
    let raw = TxEip1559 {
        to: TxKind::Create,
        input: vec![0; 49_153].into(),
        gas_limit: 10_000_000,
        ..body(0, NOBODY, 1)
    };
    assert_eq!(refusal(&signed(0, raw)), SubmitError::InitCodeSize { size: 49_153, limit: 49_152 });
}

#[test]
fn a_set_code_transaction_needs_an_authorization() {
    let body = TxEip7702 {
        chain_id: CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: MAX_FEE,
        to: NOBODY,
        ..TxEip7702::default()
    };
    let signature = key(0).sign_hash_sync(&body.signature_hash()).unwrap();
    let raw = OpTxEnvelope::from(body.into_signed(signature)).encoded_2718();
    assert_eq!(refusal(&raw.into()), SubmitError::MalformedSetCode);
}

#[test]
fn the_sender_must_be_able_to_pay_for_everything() {
    let poor = refusal(&transfer(9, 0, NOBODY, 1));
    assert!(matches!(poor, SubmitError::InsufficientFunds { balance, .. } if balance.is_zero()));
    assert!(poor.to_string().starts_with("insufficient funds for gas * price + value"));
}
