//! A small L2 chain to build blocks on.

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    primitives::{Address, B256, Bytes, Signature, TxKind, U256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use alloy_consensus::transaction::Recovered;
use alloy_eips::{Encodable2718, eip2935, eip4788};
use lockstep_primitives::{
    BlockId, BlockInputs, BlockNumber, Eip1559Params, Header, OpTxEnvelope, TxDeposit, predeploys,
};
use lockstep_stf::{Executed, Rules, execute};
use revm::{bytecode::Bytecode, database::InMemoryDB, state::AccountInfo};

/// Lockstep's rules.
pub const RULES: Rules = Rules::new(901_337);
/// Fee parameters of [`parent`].
pub const FEES: Eip1559Params = Eip1559Params { denominator: 250, elasticity: 6, min_base_fee: 100_000 };
/// Wei in an ether.
pub const ETHER: u128 = 1_000_000_000_000_000_000;
/// Gas of a plain transfer.
pub const TRANSFER_GAS: u64 = 21_000;

/// A key; users 1 to 3 have ten ether each in [`db`].
///
/// # Panics
/// For user 0, since 0 is no key.
#[must_use]
pub fn user(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(number)).expect("small numbers are keys")
}

/// System contracts, and users 1 to 3.
#[must_use]
pub fn db() -> InMemoryDB {
    let mut db = InMemoryDB::default();
    for number in 1..=3 {
        let balance = U256::from(10 * ETHER);
        db.insert_account_info(user(number).address(), AccountInfo { balance, ..Default::default() });
    }
    put_code(&mut db, eip2935::HISTORY_STORAGE_ADDRESS, &eip2935::HISTORY_STORAGE_CODE);
    put_code(&mut db, eip4788::BEACON_ROOTS_ADDRESS, &eip4788::BEACON_ROOTS_CODE);
    db
}

/// Makes `address` a contract without balance.
pub fn put_code(db: &mut InMemoryDB, address: Address, code: &[u8]) {
    let code = Bytecode::new_raw(Bytes::copy_from_slice(code));
    db.insert_account_info(address, AccountInfo { nonce: 1, ..AccountInfo::from_bytecode(code) });
}

/// The head on which blocks are built.
#[must_use]
pub fn parent() -> Header {
    Header {
        number: 41,
        timestamp: 1_000,
        gas_limit: 30_000_000,
        gas_used: 5_000_000, // the target: the next base fee is the same
        base_fee_per_gas: Some(1_000_000),
        blob_gas_used: Some(0),
        extra_data: FEES.extra_data(),
        ..Header::default()
    }
}

/// Inputs of the child of [`parent`]: the attributes, then `transactions`.
pub fn inputs(transactions: impl IntoIterator<Item = Bytes>) -> BlockInputs {
    BlockInputs {
        number: BlockNumber(42),
        parent_hash: parent().hash_slow(),
        timestamp: 1_001,
        prev_randao: B256::repeat_byte(7),
        parent_beacon_block_root: B256::repeat_byte(8),
        fee_recipient: predeploys::SEQUENCER_FEE_VAULT,
        gas_limit: 30_000_000,
        eip1559: Eip1559Params { denominator: 50, elasticity: 2, min_base_fee: 7 },
        l1_origin: BlockId { number: 9, hash: B256::repeat_byte(9) },
        sequence_number: 3,
        transactions: [encode(&attributes())].into_iter().chain(transactions).collect(),
    }
}

/// Executes [`inputs`] on `db`.
///
/// # Panics
/// If the block cannot be executed.
pub fn block(db: InMemoryDB, transactions: impl IntoIterator<Item = Bytes>) -> Executed {
    execute(db, &RULES, &parent(), &inputs(transactions)).expect("inputs of this chain execute")
}

/// The transaction that leads every block; it does nothing, since [`db`] has no `L1Block`.
#[must_use]
pub fn attributes() -> OpTxEnvelope {
    deposit(TxDeposit {
        source_hash: B256::repeat_byte(1),
        from: predeploys::L1_ATTRIBUTES_DEPOSITOR,
        to: TxKind::Call(predeploys::L1_BLOCK),
        gas_limit: 1_000_000,
        ..TxDeposit::default()
    })
}

/// A deposit as it stands in a block.
#[must_use]
pub fn deposit(tx: TxDeposit) -> OpTxEnvelope {
    OpTxEnvelope::from(tx)
}

/// A call with 100,000 gas and fees for any block here.
#[must_use]
pub fn call(nonce: u64, to: Address, value: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: RULES.chain_id(),
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: 2_000_000,
        max_priority_fee_per_gas: 10,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..TxEip1559::default()
    }
}

/// A signed transaction.
///
/// # Panics
/// If `signer` does not sign.
pub fn sign<T: SignableTransaction<Signature>>(signer: &PrivateKeySigner, tx: T) -> OpTxEnvelope
where
    OpTxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("a key in memory signs");
    tx.into_signed(signature).into()
}

/// With its sender, as [`lockstep_stf::BlockBuilder::push`] takes it.
pub fn recovered<T: SignableTransaction<Signature>>(
    signer: &PrivateKeySigner,
    tx: T,
) -> Recovered<OpTxEnvelope>
where
    OpTxEnvelope: From<alloy::consensus::Signed<T>>,
{
    Recovered::new_unchecked(sign(signer, tx), signer.address())
}

/// EIP-2718 bytes.
#[must_use]
pub fn encode(tx: &OpTxEnvelope) -> Bytes {
    tx.encoded_2718().into()
}

/// Balance after the block.
#[must_use]
pub fn balance(executed: &Executed, address: Address) -> U256 {
    executed
        .bundle
        .account(&address)
        .and_then(|account| account.info.as_ref())
        .map_or(U256::ZERO, |i| i.balance)
}

/// Nonce after the block.
#[must_use]
pub fn nonce(executed: &Executed, address: Address) -> u64 {
    executed.bundle.account(&address).and_then(|account| account.info.as_ref()).map_or(0, |info| info.nonce)
}

/// A slot after the block, if the block wrote it.
#[must_use]
pub fn slot(executed: &Executed, address: Address, slot: u64) -> Option<U256> {
    executed.bundle.account(&address)?.storage_slot(U256::from(slot))
}
