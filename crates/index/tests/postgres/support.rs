//! Blocks to store, and a database of its own for each test.

use std::time::Duration;

use alloy_consensus::{Header, Receipt, ReceiptWithBloom, Sealable, SignableTransaction, TxEip1559};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, Signature, TxKind, U256};
use lockstep_devnet::{TestDatabase, test_database};
use lockstep_index::{Index, init_genesis, lease, seal};
use lockstep_primitives::{BlockId, OpReceiptEnvelope, OpTxEnvelope, SealedBlock, TxDeposit, predeploys};

pub const SENDER: Address = Address::repeat_byte(0x5e);
pub const EMITTER: Address = Address::repeat_byte(0xee);
pub const TTL: Duration = Duration::from_secs(3600);

/// A migrated database with genesis, and the term of a lease on it.
pub struct Chain {
    pub index: Index,
    pub term: u64,
    pub genesis: Header,
    _database: TestDatabase,
}

pub async fn empty() -> (Index, TestDatabase) {
    let database = test_database().await.unwrap();
    let index = Index::connect(database.url()).await.unwrap();
    index.migrate().await.unwrap();
    (index, database)
}

pub async fn chain() -> Chain {
    let (index, database) = empty().await;
    let genesis = Header { timestamp: 1_000, base_fee_per_gas: Some(7), ..Header::default() };
    let mut tx = index.begin().await.unwrap();
    init_genesis(&mut tx, &genesis, BlockId::default()).await.unwrap();
    tx.commit().await.unwrap();
    let term = lease::acquire(index.pool(), "first", TTL).await.unwrap().unwrap();
    Chain { index, term, genesis, _database: database }
}

impl Chain {
    pub async fn seal(&self, block: &SealedBlock) {
        let mut tx = self.index.begin().await.unwrap();
        seal(&mut tx, block, self.term).await.unwrap();
        tx.commit().await.unwrap();
    }
}

pub fn transfer(nonce: u64) -> OpTxEnvelope {
    let tx = TxEip1559 {
        chain_id: 901_337,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10,
        to: TxKind::Call(Address::repeat_byte(0x77)),
        value: U256::from(nonce),
        ..TxEip1559::default()
    };
    OpTxEnvelope::Eip1559(tx.into_signed(Signature::test_signature()))
}

pub fn creation(nonce: u64) -> OpTxEnvelope {
    let tx = TxEip1559 { chain_id: 901_337, nonce, to: TxKind::Create, ..TxEip1559::default() };
    OpTxEnvelope::Eip1559(tx.into_signed(Signature::test_signature()))
}

pub fn attributes(number: u64) -> OpTxEnvelope {
    let tx = TxDeposit {
        source_hash: B256::with_last_byte(u8::try_from(number % 251).unwrap()),
        from: predeploys::L1_ATTRIBUTES_DEPOSITOR,
        to: TxKind::Call(predeploys::L1_BLOCK),
        gas_limit: 1_000_000,
        input: Bytes::from(number.to_be_bytes().to_vec()),
        ..TxDeposit::default()
    };
    OpTxEnvelope::Deposit(tx.seal_slow())
}

pub fn log(address: Address, topics: &[u64]) -> Log {
    let topics = topics.iter().map(|topic| B256::from(U256::from(*topic))).collect();
    Log { address, data: LogData::new_unchecked(topics, Bytes::from_static(b"data")) }
}

/// A block on `parent` with an attributes transaction, then `txs` from [`SENDER`] with their logs.
pub fn block(parent: &Header, txs: Vec<(OpTxEnvelope, Vec<Log>)>) -> SealedBlock {
    let number = parent.number + 1;
    let header = Header {
        parent_hash: parent.hash_slow(),
        number,
        timestamp: parent.timestamp + 1,
        base_fee_per_gas: Some(7),
        gas_used: 21_000 * (txs.len() as u64 + 1),
        ..Header::default()
    };
    let mut sealed = SealedBlock {
        hash: header.hash_slow(),
        l1_origin: BlockId { number: number / 4, hash: B256::with_last_byte(4) },
        sequence_number: number % 4,
        transactions: vec![attributes(number)],
        senders: vec![predeploys::L1_ATTRIBUTES_DEPOSITOR],
        receipts: vec![receipt(&attributes(number), 21_000, Vec::new())],
        header,
    };
    for (i, (tx, logs)) in txs.into_iter().enumerate() {
        sealed.senders.push(tx.as_deposit().map_or(SENDER, |deposit| deposit.from));
        sealed.receipts.push(receipt(&tx, 21_000 * (i as u64 + 2), logs));
        sealed.transactions.push(tx);
    }
    sealed
}

fn receipt(tx: &OpTxEnvelope, cumulative_gas_used: u64, logs: Vec<Log>) -> OpReceiptEnvelope {
    let inner = Receipt { status: true.into(), cumulative_gas_used, logs };
    match tx {
        OpTxEnvelope::Deposit(_) => OpReceiptEnvelope::Deposit(
            op_alloy_consensus::OpDepositReceipt {
                inner,
                deposit_nonce: Some(3),
                deposit_receipt_version: Some(1),
            }
            .into(),
        ),
        _ => OpReceiptEnvelope::Eip1559(ReceiptWithBloom::from(inner)),
    }
}
