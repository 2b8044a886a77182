//! The header of a sealed block, field by field (OP specification, Ecotone, Holocene, Isthmus and Jovian).

use alloy::primitives::{Address, B64, B256, U256, address, b256};
use alloy_consensus::{
    EMPTY_OMMER_ROOT_HASH, Header, TxReceipt,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use lockstep_primitives::{BlockNumber, predeploys::SEQUENCER_FEE_VAULT};
use lockstep_stf::{Draft, StfError};

use lockstep_testkit::l2::{block, call, db, encode, inputs, parent, put_code, sign, slot, user};

const BOB: Address = address!("0000000000000000000000000000000000000b0b");
/// `log1(0, 0, 7)`.
const LOGS_7: [u8; 6] = [0x60, 7, 0x5f, 0x5f, 0xa1, 0x00];

#[test]
fn the_header_follows_the_op_specification() {
    let mut db = db();
    put_code(&mut db, BOB, &LOGS_7);
    let executed = block(db, [encode(&sign(&user(1), call(0, BOB, 0)))]);
    let (state_root, passer_root) = (B256::repeat_byte(0xaa), B256::repeat_byte(0xbb));
    let sealed = executed.seal(state_root, passer_root);
    assert!(!sealed.header.logs_bloom.is_zero());
    let expected = Header {
        parent_hash: parent().hash_slow(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: SEQUENCER_FEE_VAULT,
        state_root,
        transactions_root: calculate_transaction_root(&sealed.transactions),
        receipts_root: calculate_receipt_root(&sealed.receipts),
        logs_bloom: sealed.receipts[1].bloom(),
        difficulty: U256::ZERO,
        number: 42,
        gas_limit: 30_000_000,
        gas_used: sealed.receipts[1].cumulative_gas_used(),
        timestamp: 1_001,
        // version 1, denominator 50, elasticity 2, minimum base fee 7
        extra_data: "0x0100000032000000020000000000000007".parse().unwrap(),
        mix_hash: B256::repeat_byte(7),
        nonce: B64::ZERO,
        base_fee_per_gas: Some(1_000_000),
        withdrawals_root: Some(passer_root),
        blob_gas_used: Some(0), // the scalar is not set here, see limits.rs
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(8)),
        // sha256 of nothing
        requests_hash: Some(b256!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
        ..Header::default()
    };
    assert_eq!(sealed.header, expected);
    assert_eq!(sealed.hash, expected.hash_slow());
    assert_eq!(sealed.message_passer_storage_root(), passer_root);
    assert_eq!((sealed.l1_origin.number, sealed.sequence_number), (9, 3));
}

#[test]
fn system_contracts_learn_parent_hash_and_beacon_root() {
    let executed = block(db(), []);
    assert_eq!(slot(&executed, HISTORY_STORAGE_ADDRESS, 41), Some(parent().hash_slow().into()));
    assert_eq!(slot(&executed, BEACON_ROOTS_ADDRESS, 1_001), Some(U256::from(1_001)));
    assert_eq!(slot(&executed, BEACON_ROOTS_ADDRESS, 1_001 + 8_191), Some(B256::repeat_byte(8).into()));
}

#[test]
fn inputs_of_another_parent_are_refused() {
    let other = Header { gas_used: 1, ..parent() };
    assert!(matches!(Draft::new(&other, &inputs([])), Err(StfError::NotAChild { number: 42, parent: 41 })));
    let mut skipped = inputs([]);
    skipped.number = BlockNumber(43);
    assert!(matches!(Draft::new(&parent(), &skipped), Err(StfError::NotAChild { number: 43, parent: 41 })));
}

#[test]
fn time_that_stands_still_is_refused() {
    let mut still = inputs([]);
    still.timestamp = 1_000;
    assert!(matches!(
        Draft::new(&parent(), &still),
        Err(StfError::Timestamp { timestamp: 1_000, parent: 1_000 })
    ));
}

#[test]
fn blockhash_reads_the_parent_and_the_history_in_the_state() {
    // sstore(0, blockhash(41)); sstore(1, blockhash(40)); sstore(2, blockhash(42))
    let mut code = Vec::new();
    for (key, number) in [(0, 41), (1, 40), (2, 42)] {
        code.extend_from_slice(&[0x60, number, 0x40, 0x60, key, 0x55]);
    }
    let mut db = db();
    put_code(&mut db, BOB, &code);
    let earlier = U256::from_be_bytes([0x40; 32]);
    db.insert_account_storage(HISTORY_STORAGE_ADDRESS, U256::from(40), earlier).unwrap();
    let executed = block(db, [encode(&sign(&user(1), call(0, BOB, 0)))]);
    assert_eq!(slot(&executed, BOB, 0), Some(parent().hash_slow().into()));
    assert_eq!(slot(&executed, BOB, 1), Some(earlier));
    assert_eq!(slot(&executed, BOB, 2).unwrap_or_default(), U256::ZERO); // the block itself has no hash yet
}
