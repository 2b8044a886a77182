//! Gas and data-availability limits of a block.

use alloy::primitives::{Address, B256, Bytes, U256, address};
use lockstep_primitives::predeploys::L1_BLOCK;
use lockstep_stf::{BlockBuilder, PushError, Rejected};
use revm::{context::result::InvalidTransaction, database::InMemoryDB, state::AccountInfo};

use lockstep_testkit::l2::{RULES, TRANSFER_GAS, call, db, inputs, parent, recovered, user};

const BOB: Address = address!("0000000000000000000000000000000000000b0b");

fn limited(db: InMemoryDB, gas_limit: u64) -> BlockBuilder<InMemoryDB> {
    let mut inputs = inputs([]);
    inputs.gas_limit = gas_limit;
    BlockBuilder::new(db, &RULES, &parent(), &inputs).unwrap()
}

#[test]
fn a_block_ends_where_its_gas_does() {
    let mut builder = limited(db(), 1_050_000);
    let mut included = 0;
    loop {
        let mut tx = call(included, BOB, 1);
        tx.gas_limit = TRANSFER_GAS;
        let left = builder.gas_left();
        match builder.push(recovered(&user(1), tx)) {
            Ok(_) => included += 1,
            Err(error) => {
                assert!(left < TRANSFER_GAS);
                let Rejected::Gas { limit, left: seen } = rejected(error) else { panic!("another reason") };
                assert_eq!((limit, seen), (TRANSFER_GAS, left));
                break;
            }
        }
    }
    assert!(included > 0);
    let block = builder.finish().unwrap().seal(B256::ZERO, B256::ZERO);
    assert_eq!(block.transactions.len() as u64, included + 1);
    assert!(block.header.gas_used <= block.header.gas_limit);
}

#[test]
fn a_smaller_transaction_fits_after_a_larger_one_did_not() {
    let mut builder = limited(db(), 1_030_000);
    let mut large = call(0, BOB, 1);
    large.gas_limit = 1_020_000;
    let reason = rejected(builder.push(recovered(&user(1), large)).unwrap_err());
    assert!(matches!(reason, Rejected::Gas { limit: 1_020_000, .. }));
    let mut small = call(0, BOB, 1);
    small.gas_limit = TRANSFER_GAS;
    builder.push(recovered(&user(1), small)).unwrap();
}

#[test]
fn a_transaction_above_the_cap_of_osaka_is_rejected() {
    let mut tx = call(0, BOB, 1);
    tx.gas_limit = 16_777_217; // 2^24 + 1 (EIP-7825)
    let reason = rejected(limited(db(), 30_000_000).push(recovered(&user(1), tx)).unwrap_err());
    assert!(matches!(reason, Rejected::Invalid(InvalidTransaction::TxGasLimitGreaterThanCap { .. })));
}

#[test]
fn data_takes_its_footprint_of_the_block() {
    // Two bytes at offset 18 of slot 8: gas per byte of data (Jovian, "DA footprint gas scalar").
    let scalar = U256::from(400) << ((32 - 20) * 8);
    let mut db = db();
    db.insert_account_info(L1_BLOCK, AccountInfo { nonce: 1, ..Default::default() });
    db.insert_account_storage(L1_BLOCK, U256::from(8), scalar).unwrap();
    let mut builder = limited(db, 1_100_000);

    builder.push(recovered(&user(1), call(0, BOB, 1))).unwrap();
    let one = 1_100_000 - builder.da_footprint_left();
    assert_eq!(one, 100 * 400); // a small transaction counts 100 bytes (Fjord)

    let mut large = call(1, BOB, 1);
    large.input = noise(4_000);
    large.gas_limit = 200_000;
    let left = builder.da_footprint_left();
    let reason = rejected(builder.push(recovered(&user(1), large)).unwrap_err());
    assert!(
        matches!(reason, Rejected::DaFootprint { footprint, left: seen } if seen == left && footprint > left)
    );

    let block = builder.finish().unwrap().seal(B256::ZERO, B256::ZERO);
    assert_eq!(block.header.blob_gas_used, Some(one));
}

/// Bytes that do not compress.
fn noise(length: usize) -> Bytes {
    (0..length.div_ceil(32))
        .flat_map(|i| alloy::primitives::keccak256(i.to_be_bytes()).0)
        .take(length)
        .collect()
}

fn rejected(error: PushError) -> Rejected {
    match error {
        PushError::Rejected(reason) => reason,
        PushError::Fatal(error) => panic!("{error}"),
    }
}
