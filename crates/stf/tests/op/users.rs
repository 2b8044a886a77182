//! Transactions of users: included where valid, without a trace where not.

use alloy::primitives::{Address, B256, Signature, U256, address};
use alloy_consensus::{SignableTransaction, transaction::Recovered};
use alloy_eips::Encodable2718;
use lockstep_primitives::OpTxEnvelope;
use lockstep_stf::{BlockBuilder, Draft, PushError, Rejected, execute_with};
use revm::{context::result::InvalidTransaction, database::InMemoryDB};

use lockstep_testkit::l2::{
    ETHER, FEES, RULES, TRANSFER_GAS, balance, block, call, db, encode, inputs, nonce, parent, put_code,
    recovered, sign, user,
};

const BOB: Address = address!("0000000000000000000000000000000000000b0b");

fn builder(db: InMemoryDB) -> BlockBuilder<InMemoryDB> {
    BlockBuilder::new(db, &RULES, &parent(), &inputs([])).unwrap()
}

fn rejection(result: Result<&lockstep_primitives::OpReceiptEnvelope, PushError>) -> Rejected {
    match result {
        Err(PushError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_receipt_of_a_push_is_that_of_the_sealed_block() {
    let mut builder = builder(db());
    let receipt = builder.push(recovered(&user(1), call(0, BOB, 5))).unwrap().clone();
    assert!(receipt.status());
    assert_eq!(builder.gas_left(), 30_000_000 - receipt.cumulative_gas_used());
    assert_eq!(builder.account(BOB).unwrap().unwrap().balance, U256::from(5));
    let block = builder.finish().unwrap().seal(B256::ZERO, B256::ZERO);
    assert_eq!(block.receipts.last(), Some(&receipt));
    assert_eq!(block.header.gas_used, receipt.cumulative_gas_used());
}

#[test]
fn building_and_executing_give_the_same_block() {
    let txs =
        [sign(&user(1), call(0, BOB, 5)), sign(&user(2), call(0, BOB, 6)), sign(&user(1), call(1, BOB, 7))];
    let mut builder = builder(db());
    for tx in &txs {
        let sender = alloy_consensus::transaction::SignerRecoverable::recover_signer(tx).unwrap();
        builder.push(Recovered::new_unchecked(tx.clone(), sender)).unwrap();
    }
    let built = builder.finish().unwrap();
    let executed = block(db(), txs.iter().map(encode));
    assert_eq!(built.bundle, executed.bundle);
    assert_eq!(built.senders, executed.senders);
    assert_eq!(executed.dropped, []);
    let (built, executed) = (built.seal(B256::ZERO, B256::ZERO), executed.seal(B256::ZERO, B256::ZERO));
    assert_eq!(built.hash, executed.hash);
}

#[test]
fn invalid_transactions_are_dropped_with_a_reason_and_change_nothing() {
    let good = encode(&sign(&user(1), call(0, BOB, 5)));
    let unpaid = encode(&sign(&user(9), call(0, BOB, 5)));
    let early = encode(&sign(&user(2), call(7, BOB, 5)));
    let again = good.clone();
    let other = last(&good);
    let executed = block(db(), [unpaid, early, good.clone(), again, other]);
    let reasons: Vec<_> =
        executed.dropped.iter().map(|dropped| (dropped.index, dropped.reason.clone())).collect();
    assert!(matches!(&reasons[0], (1, Rejected::Balance { balance, .. }) if balance.is_zero()));
    assert_eq!(reasons[1], (2, Rejected::NonceTooHigh { tx: 7, state: 0 }));
    assert_eq!(reasons[2], (4, Rejected::NonceTooLow { tx: 0, state: 1 }));
    assert_eq!(reasons[3], (5, Rejected::Undecodable));
    assert_eq!(executed.dropped[2].hash, alloy::primitives::keccak256(&good));

    let alone = block(db(), [good]);
    assert_eq!(alone.bundle, executed.bundle);
    assert_eq!(alone.seal(B256::ZERO, B256::ZERO).hash, executed.seal(B256::ZERO, B256::ZERO).hash);
}

fn last(bytes: &[u8]) -> alloy::primitives::Bytes {
    bytes[..bytes.len() - 1].to_vec().into()
}

#[test]
fn what_a_rejected_transaction_touched_is_cold_for_the_next_one() {
    let reader = address!("00000000000000000000000000000000000c0de0");
    let mut code = vec![0x73]; // push20 user 2; balance; stop
    code.extend_from_slice(user(2).address().as_slice());
    code.extend_from_slice(&[0x31, 0x00]);
    let gas = |reject: bool| {
        let mut db = db();
        put_code(&mut db, reader, &code);
        let mut builder = builder(db);
        if reject {
            let early = builder.push(recovered(&user(2), call(3, BOB, 1)));
            assert_eq!(rejection(early), Rejected::NonceTooHigh { tx: 3, state: 0 });
        }
        builder.push(recovered(&user(1), call(0, reader, 0))).unwrap().cumulative_gas_used()
    };
    assert_eq!(gas(true), gas(false));
}

#[test]
fn a_reverting_transaction_is_included_and_pays() {
    let mut db = db();
    put_code(&mut db, BOB, &[0x5f, 0x5f, 0xfd]); // revert(0, 0)
    let executed = block(db, [encode(&sign(&user(1), call(0, BOB, 5)))]);
    assert!(!executed.receipts[1].status());
    assert_eq!(nonce(&executed, user(1).address()), 1);
    assert!(balance(&executed, user(1).address()) < U256::from(10 * ETHER));
}

#[test]
fn a_fee_cap_below_the_base_fee_is_rejected() {
    let mut cheap = call(0, BOB, 5);
    cheap.max_fee_per_gas = u128::from(FEES.min_base_fee);
    assert_eq!(rejection(builder(db()).push(recovered(&user(1), cheap))), Rejected::FeeTooLow);
}

#[test]
fn another_chain_id_is_rejected() {
    let mut tx = call(0, BOB, 5);
    tx.chain_id = 1;
    let reason = rejection(builder(db()).push(recovered(&user(1), tx)));
    assert_eq!(reason, Rejected::Invalid(InvalidTransaction::InvalidChainId));
}

#[test]
fn gas_below_the_intrinsic_cost_is_rejected() {
    let mut tx = call(0, BOB, 5);
    tx.gas_limit = TRANSFER_GAS - 1;
    let reason = rejection(builder(db()).push(recovered(&user(1), tx)));
    assert!(matches!(reason, Rejected::Invalid(InvalidTransaction::CallGasCostMoreThanGasLimit { .. })));
}

#[test]
fn signatures_with_high_s_are_no_signatures() {
    let OpTxEnvelope::Eip1559(signed) = sign(&user(1), call(0, BOB, 5)) else { unreachable!() };
    let (tx, signature, _) = signed.into_parts();
    // secp256k1's order minus s, with the other parity: the same key, but malleable (EIP-2).
    let order = U256::from_be_bytes(alloy::primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
    let bytes = tx.into_signed(high).encoded_2718().into();
    assert_eq!(block(db(), [bytes]).dropped[0].reason, Rejected::Signature);
}

#[test]
fn senders_may_come_from_elsewhere() {
    let inputs = inputs([encode(&sign(&user(1), call(0, BOB, 5))), encode(&sign(&user(2), call(0, BOB, 5)))]);
    let senders = |index: usize, _: &OpTxEnvelope| (index == 1).then(|| user(1).address());
    let executed = execute_with(db(), &RULES, &parent(), &inputs, senders).unwrap();
    assert_eq!(executed.senders[1..], [user(1).address()]);
    assert_eq!(executed.dropped[0].reason, Rejected::Signature);
}

#[test]
fn a_draft_runs_without_deposits() {
    let draft = Draft::new(&parent(), &inputs([])).unwrap();
    let mut builder = BlockBuilder::from_draft(db(), &RULES, draft).unwrap();
    assert_eq!(builder.transactions(), []);
    builder.push(recovered(&user(1), call(0, BOB, 5))).unwrap();
    assert_eq!(builder.receipts().len(), 1);
}
