//! Writing and taking back blocks: the only writers of the chain's tables.

use alloy_eips::Encodable2718;
use alloy_primitives::{Bytes, TxKind, U256};
use alloy_rlp::{Encodable, length_of_length};
use alloy_sol_types::{SolEvent, sol};
use lockstep_primitives::{
    BlockId, BlockNumber, Header, OpReceiptEnvelope, OpTxEnvelope, SealedBlock, predeploys,
};
use op_alloy_consensus::DEPOSIT_TX_TYPE_ID;
use sqlx::{PgConnection, PgTransaction};

use crate::{
    IndexError, block,
    convert::{to_bigint, to_integer},
    head, lease, open_block,
    receipt::encode_receipt,
};

sol! {
    /// Announces a withdrawal (OP specification, "Withdrawals").
    event MessagePassed(
        uint256 indexed nonce, address indexed sender, address indexed target, uint256 value,
        uint256 gasLimit, bytes data, bytes32 withdrawalHash
    );
}

/// Stores `sealed` on top of the unsafe head, if the lease of `term` holds; removes what [`open_block`] notes of it.
/// The caller commits.
///
/// # Errors
/// [`IndexError::LeaseLost`] if another term is current, [`IndexError::NotOnHead`] if the block's parent is not
/// the stored head.
pub async fn seal(tx: &mut PgTransaction<'_>, sealed: &SealedBlock, term: u64) -> Result<(), IndexError> {
    let db: &mut PgConnection = &mut *tx;
    lease::check(&mut *db, term).await?;
    advance_head(&mut *db, sealed).await?;
    insert_block(&mut *db, &sealed.header, sealed, size_bytes(sealed)).await?;
    let rows = Rows::new(sealed)?;
    rows.insert_transactions(&mut *db).await?;
    rows.insert_receipts(&mut *db).await?;
    rows.insert_logs(&mut *db).await?;
    rows.insert_deposits(&mut *db).await?;
    rows.insert_withdrawals(&mut *db).await?;
    open_block::forget_to(&mut *db, rows.number).await
}

/// Stores block 0 and puts all heads on it, unless that is so already.
///
/// # Errors
/// [`IndexError::OtherGenesis`] if the database holds another chain.
pub async fn init_genesis(
    tx: &mut PgTransaction<'_>,
    header: &Header,
    l1_origin: BlockId,
) -> Result<(), IndexError> {
    let db: &mut PgConnection = &mut *tx;
    let genesis = SealedBlock {
        header: header.clone(),
        hash: header.hash_slow(),
        l1_origin,
        sequence_number: 0,
        transactions: Vec::new(),
        senders: Vec::new(),
        receipts: Vec::new(),
    };
    if let Some(stored) = block::header(&mut *db, BlockNumber(0)).await? {
        return if stored.hash == genesis.hash {
            Ok(())
        } else {
            Err(IndexError::OtherGenesis { stored: stored.hash, expected: genesis.hash })
        };
    }
    insert_block(&mut *db, header, &genesis, size_bytes(&genesis)).await?;
    sqlx::query(
        "insert into l2_head (label, number, hash) \
         select label, 0, $1 from unnest(array['unsafe', 'safe', 'finalized']) as label",
    )
    .bind(genesis.hash.as_slice())
    .execute(&mut *db)
    .await?;
    Ok(())
}

/// Removes the blocks above `to`, moves the heads down to it where they were higher, and gives the users'
/// transactions of the removed blocks in chain order. The caller puts them back into the pool's table in the same
/// transaction, then commits.
///
/// # Errors
/// [`IndexError::LeaseLost`] if another term is current, [`IndexError::Finalized`] if `to` is below the
/// finalized head, [`IndexError::NotOnHead`] if there is no block `to`.
pub async fn rewind(
    tx: &mut PgTransaction<'_>,
    to: BlockNumber,
    term: u64,
) -> Result<Vec<Bytes>, IndexError> {
    let db: &mut PgConnection = &mut *tx;
    lease::check(&mut *db, term).await?;
    let heads = head::get(&mut *db).await?;
    if let Some(finalized) = heads.map(|heads| heads.finalized).filter(|head| head.number > to.0) {
        return Err(IndexError::Finalized { to, finalized: BlockNumber(finalized.number) });
    }
    let target = block::header(&mut *db, to).await?;
    let target = target.ok_or(IndexError::NotOnHead { number: to, parent: Default::default() })?;
    let number = to_bigint(to.0)?;
    let raws: Vec<Vec<u8>> = sqlx::query_scalar(
        "select raw from l2_tx where block_number > $1 and tx_type <> $2 order by block_number, tx_index",
    )
    .bind(number)
    .bind(i16::from(DEPOSIT_TX_TYPE_ID))
    .fetch_all(&mut *db)
    .await?;
    open_block::forget_to(&mut *db, i64::MAX).await?; // nothing that was being made stands on the new head
    for statement in [
        "delete from l2_withdrawal where block_number > $1",
        "delete from l2_deposit where block_number > $1",
        "delete from l2_log where block_number > $1",
        "delete from l2_receipt where block_number > $1",
        "delete from l2_tx where block_number > $1",
        "delete from l2_block where number > $1",
    ] {
        sqlx::query(statement).bind(number).execute(&mut *db).await?;
    }
    sqlx::query("update l2_head set number = $1, hash = $2 where number > $1")
        .bind(number)
        .bind(target.hash.as_slice())
        .execute(&mut *db)
        .await?;
    Ok(raws.into_iter().map(Bytes::from).collect())
}

async fn advance_head(db: &mut PgConnection, sealed: &SealedBlock) -> Result<(), IndexError> {
    let number = BlockNumber(sealed.header.number);
    let parent = sealed.header.parent_hash;
    let done = sqlx::query(
        "update l2_head set number = $1, hash = $2 where label = 'unsafe' and number = $1 - 1 and hash = $3",
    )
    .bind(to_bigint(number.0)?)
    .bind(sealed.hash.as_slice())
    .bind(parent.as_slice())
    .execute(db)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(IndexError::NotOnHead { number, parent }) }
}

async fn insert_block(
    db: &mut PgConnection,
    header: &Header,
    sealed: &SealedBlock,
    size_bytes: usize,
) -> Result<(), IndexError> {
    sqlx::query(
        "insert into l2_block (number, hash, parent_hash, timestamp, l1_origin_number, l1_origin_hash, \
         sequence_number, tx_count, size_bytes, header) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(to_bigint(header.number)?)
    .bind(sealed.hash.as_slice())
    .bind(header.parent_hash.as_slice())
    .bind(to_bigint(header.timestamp)?)
    .bind(to_bigint(sealed.l1_origin.number)?)
    .bind(sealed.l1_origin.hash.as_slice())
    .bind(to_bigint(sealed.sequence_number)?)
    .bind(to_integer(sealed.transactions.len())?)
    .bind(i64::from(to_integer(size_bytes)?))
    .bind(alloy_rlp::encode(header))
    .execute(db)
    .await?;
    Ok(())
}

/// Bytes of the block in RLP: `[header, transactions, ommers = [], withdrawals = []]`.
fn size_bytes(sealed: &SealedBlock) -> usize {
    let transactions: usize = sealed.transactions.iter().map(Encodable::length).sum();
    let payload = sealed.header.length() + length_of_length(transactions) + transactions + 2;
    length_of_length(payload) + payload
}

/// The block as columns.
struct Rows<'a> {
    sealed: &'a SealedBlock,
    number: i64,
    indexes: Vec<i32>,
    hashes: Vec<&'a [u8]>,
    gas_used: Vec<u64>,
    first_log: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn new(sealed: &'a SealedBlock) -> Result<Self, IndexError> {
        let count = sealed.transactions.len();
        if sealed.senders.len() != count || sealed.receipts.len() != count {
            return Err(IndexError::Malformed("senders or receipts are not one per transaction"));
        }
        let mut rows = Self {
            sealed,
            number: to_bigint(sealed.header.number)?,
            indexes: (0..count).map(to_integer).collect::<Result<_, _>>()?,
            hashes: sealed.transactions.iter().map(|tx| tx.hash().as_slice()).collect(),
            gas_used: Vec::with_capacity(count),
            first_log: Vec::with_capacity(count),
        };
        let (mut gas, mut logs) = (0, 0);
        for receipt in &sealed.receipts {
            rows.gas_used.push(receipt.cumulative_gas_used().saturating_sub(gas));
            rows.first_log.push(logs);
            gas = receipt.cumulative_gas_used();
            logs += i64::from(to_integer(receipt.logs().len())?);
        }
        Ok(rows)
    }

    async fn insert_transactions(&self, db: &mut PgConnection) -> Result<(), IndexError> {
        let txs = &self.sealed.transactions;
        let recipients: Vec<_> = txs.iter().map(recipient).collect();
        sqlx::query(
            "insert into l2_tx (block_number, tx_index, hash, tx_type, sender, recipient, raw) \
             select $1, * from unnest($2::int[], $3::bytea[], $4::smallint[], $5::bytea[], $6::bytea[], \
             $7::bytea[])",
        )
        .bind(self.number)
        .bind(&self.indexes)
        .bind(&self.hashes)
        .bind(txs.iter().map(|tx| i16::from(tx.tx_type() as u8)).collect::<Vec<_>>())
        .bind(self.sealed.senders.iter().map(|sender| sender.as_slice()).collect::<Vec<_>>())
        .bind(recipients.iter().map(|to| to.as_ref().map(|to| to.as_slice())).collect::<Vec<_>>())
        .bind(txs.iter().map(Encodable2718::encoded_2718).collect::<Vec<_>>())
        .execute(db)
        .await?;
        Ok(())
    }

    async fn insert_receipts(&self, db: &mut PgConnection) -> Result<(), IndexError> {
        let receipts = &self.sealed.receipts;
        let gas_used: Vec<i64> = self.gas_used.iter().map(|gas| to_bigint(*gas)).collect::<Result<_, _>>()?;
        let created: Vec<_> = (0..receipts.len()).map(|i| created(self.sealed, i)).collect();
        sqlx::query(
            "insert into l2_receipt (block_number, tx_index, success, gas_used, first_log_index, created, body) \
             select $1, * from unnest($2::int[], $3::bool[], $4::bigint[], $5::bigint[], $6::bytea[], \
             $7::bytea[])",
        )
        .bind(self.number)
        .bind(&self.indexes)
        .bind(receipts.iter().map(OpReceiptEnvelope::status).collect::<Vec<_>>())
        .bind(gas_used)
        .bind(&self.first_log)
        .bind(created.iter().map(|address| address.as_ref().map(|a| a.as_slice())).collect::<Vec<_>>())
        .bind(receipts.iter().map(encode_receipt).collect::<Vec<_>>())
        .execute(db)
        .await?;
        Ok(())
    }

    /// Every log with its transaction's index and its own.
    fn logs(&self) -> impl Iterator<Item = (usize, i64, &'a alloy_primitives::Log)> + '_ {
        let per_tx = self.sealed.receipts.iter().zip(&self.first_log).enumerate();
        per_tx.flat_map(|(i, (receipt, first))| {
            receipt.logs().iter().zip(*first..).map(move |(log, index)| (i, index, log))
        })
    }

    async fn insert_logs(&self, db: &mut PgConnection) -> Result<(), IndexError> {
        let logs: Vec<_> = self.logs().collect();
        if logs.is_empty() {
            return Ok(());
        }
        let topic = |n: usize| -> Vec<Option<&[u8]>> {
            logs.iter().map(|(.., log)| log.topics().get(n).map(|topic| topic.as_slice())).collect()
        };
        sqlx::query(
            "insert into l2_log (block_number, block_hash, block_timestamp, log_index, tx_hash, tx_index, \
             address, topic0, topic1, topic2, topic3, data) \
             select $1, $2, $3, * from unnest($4::bigint[], $5::bytea[], $6::int[], $7::bytea[], $8::bytea[], \
             $9::bytea[], $10::bytea[], $11::bytea[], $12::bytea[])",
        )
        .bind(self.number)
        .bind(self.sealed.hash.as_slice())
        .bind(to_bigint(self.sealed.header.timestamp)?)
        .bind(logs.iter().map(|(_, index, _)| *index).collect::<Vec<_>>())
        .bind(logs.iter().map(|(i, ..)| self.hashes[*i]).collect::<Vec<_>>())
        .bind(logs.iter().map(|(i, ..)| self.indexes[*i]).collect::<Vec<_>>())
        .bind(logs.iter().map(|(.., log)| log.address.as_slice()).collect::<Vec<_>>())
        .bind(topic(0))
        .bind(topic(1))
        .bind(topic(2))
        .bind(topic(3))
        .bind(logs.iter().map(|(.., log)| log.data.data.as_ref()).collect::<Vec<_>>())
        .execute(db)
        .await?;
        Ok(())
    }

    async fn insert_deposits(&self, db: &mut PgConnection) -> Result<(), IndexError> {
        let deposits: Vec<_> = (self.sealed.transactions.iter().enumerate())
            .filter_map(|(i, tx)| Some((i, tx.as_deposit()?.inner())))
            .filter(|(_, deposit)| deposit.from != predeploys::L1_ATTRIBUTES_DEPOSITOR)
            .collect();
        if deposits.is_empty() {
            return Ok(());
        }
        let gas: Vec<i64> =
            deposits.iter().map(|(_, deposit)| to_bigint(deposit.gas_limit)).collect::<Result<_, _>>()?;
        sqlx::query(
            "insert into l2_deposit (block_number, tx_index, source_hash, tx_hash, sender, recipient, mint, \
             value, gas_limit, success) \
             select $1, * from unnest($2::int[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], \
             $7::bytea[], $8::bytea[], $9::bigint[], $10::bool[])",
        )
        .bind(self.number)
        .bind(deposits.iter().map(|(i, _)| self.indexes[*i]).collect::<Vec<_>>())
        .bind(deposits.iter().map(|(_, d)| d.source_hash.as_slice()).collect::<Vec<_>>())
        .bind(deposits.iter().map(|(i, _)| self.hashes[*i]).collect::<Vec<_>>())
        .bind(deposits.iter().map(|(_, d)| d.from.as_slice()).collect::<Vec<_>>())
        .bind(deposits.iter().map(|(_, d)| d.to.to().map(|to| to.as_slice())).collect::<Vec<_>>())
        .bind(deposits.iter().map(|(_, d)| U256::from(d.mint).to_be_bytes_vec()).collect::<Vec<_>>())
        .bind(deposits.iter().map(|(_, d)| d.value.to_be_bytes_vec()).collect::<Vec<_>>())
        .bind(gas)
        .bind(deposits.iter().map(|(i, _)| self.sealed.receipts[*i].status()).collect::<Vec<_>>())
        .execute(db)
        .await?;
        Ok(())
    }

    async fn insert_withdrawals(&self, db: &mut PgConnection) -> Result<(), IndexError> {
        let found: Vec<_> = self
            .logs()
            .filter(|(.., log)| log.address == predeploys::L2_TO_L1_MESSAGE_PASSER)
            .filter_map(|(i, index, log)| Some((i, index, MessagePassed::decode_log(log).ok()?.data)))
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into l2_withdrawal (block_number, log_index, hash, tx_hash, nonce, sender, target, value, \
             gas_limit, data) \
             select $1, * from unnest($2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], \
             $7::bytea[], $8::bytea[], $9::bytea[], $10::bytea[])",
        )
        .bind(self.number)
        .bind(found.iter().map(|(_, index, _)| *index).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.withdrawalHash.as_slice()).collect::<Vec<_>>())
        .bind(found.iter().map(|(i, ..)| self.hashes[*i]).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.nonce.to_be_bytes_vec()).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.sender.as_slice()).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.target.as_slice()).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.value.to_be_bytes_vec()).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.gasLimit.to_be_bytes_vec()).collect::<Vec<_>>())
        .bind(found.iter().map(|(.., event)| event.data.as_ref()).collect::<Vec<_>>())
        .execute(db)
        .await?;
        Ok(())
    }
}

fn recipient(tx: &OpTxEnvelope) -> Option<alloy_primitives::Address> {
    alloy_consensus::Transaction::to(tx)
}

/// The contract that transaction `i` made, if it is a creation that succeeded.
fn created(sealed: &SealedBlock, i: usize) -> Option<alloy_primitives::Address> {
    let (tx, receipt) = (&sealed.transactions[i], &sealed.receipts[i]);
    if !receipt.status() || alloy_consensus::Transaction::kind(tx) != TxKind::Create {
        return None;
    }
    // A deposit carries no nonce: its receipt tells which one it ran with.
    let nonce = receipt.deposit_nonce().unwrap_or_else(|| alloy_consensus::Transaction::nonce(tx));
    Some(sealed.senders[i].create(nonce))
}
