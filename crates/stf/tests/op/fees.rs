//! Who gets what a transaction pays.

use alloy::primitives::{Address, U256, address};
use lockstep_primitives::predeploys::{
    BASE_FEE_VAULT, L1_BLOCK, L1_FEE_VAULT, OPERATOR_FEE_VAULT, SEQUENCER_FEE_VAULT,
};
use lockstep_stf::{L1BlockInfo, OpSpecId};
use revm::{database::InMemoryDB, state::AccountInfo};

use lockstep_testkit::l2::{ETHER, balance, block, call, db, encode, sign, user};

const BOB: Address = address!("0000000000000000000000000000000000000b0b");

/// L1 fees as the attributes transaction leaves them in `L1Block` (OP specification, "L1 Attributes").
fn with_l1_fees() -> InMemoryDB {
    let mut db = db();
    db.insert_account_info(L1_BLOCK, AccountInfo { nonce: 1, ..Default::default() });
    let field = |value: u64, offset: usize, size: usize| U256::from(value) << ((32 - offset - size) * 8);
    let slots = [
        (1, U256::from(7_000_000_000u64)),                              // base fee
        (3, field(1_368, 16, 4) | field(810_949, 20, 4)),               // scalars
        (7, U256::from(3)),                                             // blob base fee
        (8, field(400, 18, 2) | field(2, 20, 4) | field(1_000, 24, 8)), // footprint, operator fee
    ];
    for (slot, value) in slots {
        db.insert_account_storage(L1_BLOCK, U256::from(slot), value).unwrap();
    }
    db
}

#[test]
fn fees_go_to_four_vaults_and_nothing_is_lost() {
    let tx = sign(&user(1), call(0, BOB, 5));
    let bytes = encode(&tx);
    let executed = block(with_l1_fees(), [bytes.clone()]);
    let used = executed.receipts[1].cumulative_gas_used() - executed.receipts[0].cumulative_gas_used();
    let base_fee = executed.draft.header.base_fee_per_gas.unwrap();

    let mut db = with_l1_fees();
    let mut l1 = L1BlockInfo::try_fetch(&mut db, U256::from(42), OpSpecId::KARST).unwrap();
    let l1_fee = l1.calculate_tx_l1_cost(&bytes, OpSpecId::KARST);
    assert!(!l1_fee.is_zero());

    let paid = [
        (BASE_FEE_VAULT, U256::from(used * base_fee)),
        (SEQUENCER_FEE_VAULT, U256::from(used * 10)),
        (L1_FEE_VAULT, l1_fee),
        (OPERATOR_FEE_VAULT, U256::from(used * 2 * 100 + 1_000)), // Jovian: gas x scalar x 100 + constant
    ];
    for (vault, amount) in paid {
        assert_eq!(balance(&executed, vault), amount, "{vault}");
    }
    let fees: U256 = paid.iter().map(|(_, amount)| *amount).sum();
    assert_eq!(balance(&executed, user(1).address()), U256::from(10 * ETHER) - fees - U256::from(5));
}
