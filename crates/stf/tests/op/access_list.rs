//! The block access list: what was touched, and the values after each transaction (EIP-7928).

use alloy::primitives::{Address, TxKind, U256, address};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use lockstep_primitives::OpTxEnvelope;
use lockstep_primitives::predeploys::BASE_FEE_VAULT;
use lockstep_stf::{Executed, execute_with, execute_with_access_list};
use lockstep_testkit::l2::{RULES, balance, call, db, encode, inputs, parent, put_code, sign, user};
use revm::{database::InMemoryDB, state::bal::AccountBal};

const BOB: Address = address!("0000000000000000000000000000000000000b0b");
const CONTRACT: Address = address!("00000000000000000000000000000000000c0de0");

fn sender(_: usize, tx: &OpTxEnvelope) -> Option<Address> {
    alloy_consensus::transaction::SignerRecoverable::recover_signer(tx).ok()
}

fn listed(db: InMemoryDB, txs: impl IntoIterator<Item = OpTxEnvelope>) -> Executed {
    let inputs = inputs(txs.into_iter().map(|tx| encode(&tx)));
    execute_with_access_list(db, &RULES, &parent(), &inputs, sender).unwrap()
}

fn of(executed: &Executed, address: Address) -> &AccountBal {
    &executed.access_list.as_ref().unwrap().accounts[&address]
}

#[test]
fn values_carry_the_place_of_their_transaction_and_the_system_calls_stand_first() {
    let pay = |nonce| sign(&user(1), call(nonce, BOB, 5));
    let executed = listed(db(), [pay(0), pay(7), pay(1)]); // the second is left out
    // 0: system calls, 1: L1 attributes.
    assert_eq!(of(&executed, BOB).balance.writes, [(2, U256::from(5)), (3, U256::from(10))]);
    assert_eq!(of(&executed, user(1).address()).nonce.writes, [(2, 1), (3, 2)]);
    let history = &of(&executed, HISTORY_STORAGE_ADDRESS).storage.storage[&U256::from(41)];
    assert_eq!(history.writes, [(0, parent().hash_slow().into())]);
    let fees = &of(&executed, BASE_FEE_VAULT).balance.writes;
    assert_eq!(fees.last(), Some(&(3, balance(&executed, BASE_FEE_VAULT))));
}

#[test]
fn what_a_reverted_call_read_is_listed_and_what_it_wrote_counts_as_read() {
    let mut db = db();
    // sstore(1, sload(0)); revert(0, 0)
    put_code(&mut db, CONTRACT, &[0x5f, 0x54, 0x60, 1, 0x55, 0x5f, 0x5f, 0xfd]);
    db.insert_account_storage(CONTRACT, U256::ZERO, U256::from(9)).unwrap();
    let executed = listed(db, [sign(&user(1), call(0, CONTRACT, 0))]);
    let slots = &of(&executed, CONTRACT).storage.storage;
    assert_eq!(slots.len(), 2);
    assert!(slots.values().all(|writes| writes.is_empty()));
}

#[test]
fn a_new_contract_is_listed_with_its_code() {
    let mut create = call(0, BOB, 0);
    (create.to, create.input) = (TxKind::Create, vec![0x60, 0x01, 0x5f, 0xf3].into()); // one byte of code
    let executed = listed(db(), [sign(&user(1), create)]);
    let created = of(&executed, user(1).address().create(0));
    assert_eq!(created.nonce.writes, [(2, 1)]);
    assert_eq!(created.code.writes.len(), 1);
}

#[test]
fn keeping_the_list_changes_nothing_else() {
    let inputs = inputs([encode(&sign(&user(1), call(0, BOB, 5))), encode(&sign(&user(9), call(0, BOB, 5)))]);
    let plain = execute_with(db(), &RULES, &parent(), &inputs, sender).unwrap();
    let listed = execute_with_access_list(db(), &RULES, &parent(), &inputs, sender).unwrap();
    assert!(plain.access_list.is_none());
    assert_eq!(plain.bundle, listed.bundle);
    assert_eq!(plain.receipts, listed.receipts);
    assert_eq!(plain.dropped, listed.dropped);
}
