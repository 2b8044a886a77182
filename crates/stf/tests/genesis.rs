//! The first block on the real genesis: our predeploys and `op-revm` must agree on where things stand.
#![allow(clippy::unwrap_used, missing_docs)]

use alloy::{
    primitives::{B256, Bytes, U256},
    sol_types::{SolCall, SolEvent},
};
use alloy_consensus::{SignableTransaction, TxEip1559, transaction::Recovered};
use alloy_eips::{eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS};
use alloy_primitives::{Address, Signature, TxKind, keccak256};
use lockstep_contracts::l2::L2ToL1MessagePasser;
use lockstep_derive::block_inputs;
use lockstep_primitives::{
    BlockId, ChainConfig, Genesis, GenesisAnchor, GenesisBalance, L1BlockNumber, L1BlockRef, OpTxEnvelope,
    RollupConfig, SystemConfig, predeploys,
};
use lockstep_stf::{BlockBuilder, Executed, L1BlockInfo, Rules};
use revm::{bytecode::Bytecode, database::InMemoryDB, state::AccountInfo};

const USER: Address = Address::repeat_byte(0x11);
const SYSTEM: SystemConfig =
    SystemConfig { operator_fee_scalar: 5, operator_fee_constant: 77, ..lockstep_testkit::SYSTEM };

fn config() -> RollupConfig {
    let funded = GenesisBalance { address: USER, balance: U256::from(10).pow(U256::from(18)) };
    let chain = ChainConfig { system: SYSTEM, accounts: vec![funded], ..lockstep_testkit::chain() };
    RollupConfig {
        genesis: GenesisAnchor { l1: BlockId { number: 5, hash: B256::repeat_byte(5) }, l2_timestamp: 1_000 },
        ..lockstep_testkit::rollup(chain)
    }
}

fn origin() -> L1BlockRef {
    L1BlockRef {
        number: L1BlockNumber(6),
        hash: B256::repeat_byte(6),
        parent_hash: B256::repeat_byte(5),
        timestamp: 1_001,
        base_fee: 7_000_000_000,
        blob_base_fee: 3,
        mix_hash: B256::repeat_byte(8),
        parent_beacon_block_root: B256::repeat_byte(9),
    }
}

fn state(genesis: &Genesis) -> InMemoryDB {
    let mut db = InMemoryDB::default();
    for (address, account) in &genesis.alloc {
        let info = AccountInfo::from_bytecode(Bytecode::new_raw(account.code.clone()));
        db.insert_account_info(
            *address,
            AccountInfo { balance: account.balance, nonce: account.nonce, ..info },
        );
        for (slot, value) in &account.storage {
            db.insert_account_storage(*address, (*slot).into(), (*value).into()).unwrap();
        }
    }
    db
}

fn first_block(calls: &[(Address, u128, Bytes)]) -> Executed {
    let config = config();
    let genesis = Genesis::new(&config);
    let inputs = block_inputs(&SYSTEM, &genesis.block_ref(&config), 1_002, &origin(), [], []);
    let rules = Rules::new(config.chain.l2_chain_id);
    let mut builder = BlockBuilder::new(state(&genesis), &rules, &genesis.header, &inputs).unwrap();
    for (nonce, (to, value, input)) in calls.iter().enumerate() {
        let tx = TxEip1559 {
            chain_id: rules.chain_id(),
            nonce: nonce as u64,
            gas_limit: 300_000,
            max_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(*to),
            value: U256::from(*value),
            input: input.clone(),
            ..TxEip1559::default()
        };
        let tx: OpTxEnvelope = tx.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into();
        assert!(builder.push(Recovered::new_unchecked(tx, USER)).unwrap().status());
    }
    builder.finish().unwrap()
}

fn slot(executed: &Executed, address: Address, slot: u64) -> U256 {
    executed.bundle.account(&address).unwrap().storage_slot(U256::from(slot)).unwrap_or_default()
}

#[test]
fn the_attributes_reach_the_slots_that_execution_reads() {
    let executed = first_block(&[]);
    assert!(executed.receipts[0].status());
    let mut after = InMemoryDB::default();
    for (slot, value) in &executed.bundle.account(&predeploys::L1_BLOCK).unwrap().storage {
        after.insert_account_storage(predeploys::L1_BLOCK, *slot, value.present_value).unwrap();
    }
    let rules = Rules::new(1);
    let info = L1BlockInfo::try_fetch(&mut after, U256::ONE, rules.spec()).unwrap();
    let expected = L1BlockInfo {
        l2_block: Some(U256::ONE),
        l1_base_fee: U256::from(origin().base_fee),
        l1_base_fee_scalar: U256::from(SYSTEM.base_fee_scalar),
        l1_blob_base_fee: Some(U256::from(origin().blob_base_fee)),
        l1_blob_base_fee_scalar: Some(U256::from(SYSTEM.blob_base_fee_scalar)),
        operator_fee_scalar: Some(U256::from(SYSTEM.operator_fee_scalar)),
        operator_fee_constant: Some(U256::from(SYSTEM.operator_fee_constant)),
        da_footprint_gas_scalar: Some(SYSTEM.da_footprint_gas_scalar),
        ..L1BlockInfo::default()
    };
    assert_eq!(info, expected);
}

#[test]
fn attributes_of_a_block_count_for_its_own_transactions() {
    let executed = first_block(&[(Address::repeat_byte(0x22), 1, Bytes::new())]);
    let paid = |vault: Address| executed.bundle.account(&vault).unwrap().info.clone().unwrap().balance;
    assert!(!paid(predeploys::L1_FEE_VAULT).is_zero());
    assert_eq!(paid(predeploys::OPERATOR_FEE_VAULT), U256::from(21_000 * 5 * 100 + 77));
    assert_eq!(executed.draft.header.blob_gas_used, Some(100 * 400)); // 100 bytes at least (Fjord)
}

#[test]
fn the_history_contract_remembers_genesis() {
    let executed = first_block(&[]);
    assert_eq!(
        slot(&executed, HISTORY_STORAGE_ADDRESS, 0),
        U256::from_be_bytes(Genesis::new(&config()).hash.0)
    );
    assert_eq!(slot(&executed, BEACON_ROOTS_ADDRESS, 1_002 + 8_191), U256::from_be_bytes([9; 32]));
}

#[test]
fn a_withdrawal_is_in_the_message_passer() {
    let call = L2ToL1MessagePasser::initiateWithdrawalCall {
        target: Address::repeat_byte(0x33),
        gasLimit: U256::from(100_000),
        data: Bytes::new(),
    };
    let executed = first_block(&[(predeploys::L2_TO_L1_MESSAGE_PASSER, 9, call.abi_encode().into())]);
    let passed =
        L2ToL1MessagePasser::MessagePassed::decode_log_data(&executed.receipts[1].logs()[0].data).unwrap();
    let passer = executed.bundle.account(&predeploys::L2_TO_L1_MESSAGE_PASSER).unwrap();
    assert_eq!(passer.info.clone().unwrap().balance, U256::from(9));
    // `sentMessages`, the mapping in slot 0 (OP specification, "Withdrawals").
    let sent = keccak256([passed.withdrawalHash.0, [0; 32]].as_flattened());
    assert_eq!(passer.storage_slot(sent.into()), Some(U256::ONE));
}
