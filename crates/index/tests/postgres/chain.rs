//! Sealing, rewinding and reading back, against a real Postgres.

use crate::support::{EMITTER, SENDER, TTL, attributes, block, chain, creation, empty, log, transfer};
use alloy_consensus::Sealable;
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_sol_types::{SolEvent, sol};
use lockstep_index::{
    IndexError, block as blocks, deposit,
    head::{self, Label},
    init_genesis, lease,
    log::{self as logs, LogFilter},
    open_block::{self, OpenBlock},
    pool_batch::{self, PoolBatch},
    receipt, rewind, seal, transaction, withdrawal,
};
use lockstep_primitives::{
    BlockId, BlockInputs, BlockNumber, Eip1559Params, Header, OpTxEnvelope, TxDeposit, TxIndex, predeploys,
};

sol! {
    event MessagePassed(
        uint256 indexed nonce, address indexed sender, address indexed target, uint256 value,
        uint256 gasLimit, bytes data, bytes32 withdrawalHash
    );
}

#[tokio::test]
async fn sealed_block_reads_back_as_it_was() {
    let chain = chain().await;
    let sealed = block(
        &chain.genesis,
        vec![(transfer(0), vec![log(EMITTER, &[1, 2])]), (creation(1), vec![log(EMITTER, &[3])])],
    );
    chain.seal(&sealed).await;

    let pool = chain.index.pool();
    for stored in [
        blocks::by_number(pool, BlockNumber(1)).await.unwrap().unwrap(),
        blocks::by_hash(pool, sealed.hash).await.unwrap().unwrap(),
        blocks::next_after(pool, BlockNumber(0)).await.unwrap().unwrap(),
    ] {
        assert_eq!(stored.header.hash_slow(), sealed.hash);
        assert_eq!(stored.block_ref(), sealed.block_ref());
        assert_eq!(stored.transactions, sealed.transactions);
        assert_eq!(stored.senders, sealed.senders);
        assert_eq!(stored.receipts, sealed.receipts);
    }
    assert!(blocks::next_after(pool, BlockNumber(1)).await.unwrap().is_none());
    let header = blocks::header(pool, BlockNumber(1)).await.unwrap().unwrap();
    assert_eq!((header.block_ref(), header.tx_count), (sealed.block_ref(), 3));
    let heads = head::get(pool).await.unwrap().unwrap();
    assert_eq!((heads.unsafe_head.hash, heads.safe.number), (sealed.hash, 0));
}

#[tokio::test]
async fn stored_size_is_the_length_of_the_block_in_rlp() {
    let chain = chain().await;
    let sealed = block(&chain.genesis, vec![(transfer(0), vec![]), (transfer(1), vec![])]);
    chain.seal(&sealed).await;
    let body = alloy_consensus::BlockBody {
        transactions: sealed.transactions.clone(),
        ommers: Vec::<Header>::new(),
        withdrawals: Some(Default::default()),
    };
    let rlp = alloy_rlp::encode(alloy_consensus::Block::new(sealed.header.clone(), body));
    let stored = blocks::header(chain.index.pool(), BlockNumber(1)).await.unwrap().unwrap();
    assert_eq!(stored.size_bytes, rlp.len() as u64);
}

#[tokio::test]
async fn transactions_and_receipts_are_found_by_hash_and_place() {
    let chain = chain().await;
    let sealed = block(
        &chain.genesis,
        vec![(transfer(0), vec![log(EMITTER, &[1]); 2]), (creation(1), vec![log(EMITTER, &[2])])],
    );
    chain.seal(&sealed).await;

    let pool = chain.index.pool();
    let found = transaction::by_hash(pool, transfer(0).tx_hash()).await.unwrap().unwrap();
    assert_eq!((found.index, found.block_number, found.sender), (TxIndex(1), BlockNumber(1), SENDER));
    assert_eq!((found.block_hash, found.base_fee), (sealed.hash, 7));
    let attributes = transaction::by_block_index(pool, BlockNumber(1), TxIndex(0)).await.unwrap().unwrap();
    assert_eq!(attributes.deposit_nonce, Some(3));
    assert!(transaction::by_block_index(pool, BlockNumber(1), TxIndex(9)).await.unwrap().is_none());

    let created = receipt::by_hash(pool, creation(1).tx_hash()).await.unwrap().unwrap();
    assert_eq!((created.gas_used, created.first_log_index), (21_000, 2));
    let creating = transaction::creating(pool, SENDER.create(1)).await.unwrap().unwrap();
    assert_eq!(creating.transaction.tx_hash(), creation(1).tx_hash());
    assert_eq!(created.attributes, sealed.transactions[0]);
    let hashes = transaction::hashes_of_block(pool, BlockNumber(1)).await.unwrap();
    assert_eq!(hashes, sealed.transactions.iter().map(|tx| tx.tx_hash()).collect::<Vec<_>>());
}

#[tokio::test]
async fn block_that_does_not_follow_the_head_is_refused() {
    let chain = chain().await;
    let first = block(&chain.genesis, vec![]);
    chain.seal(&first).await;

    let sibling = block(&chain.genesis, vec![(transfer(0), vec![])]);
    let mut tx = chain.index.begin().await.unwrap();
    assert!(matches!(seal(&mut tx, &sibling, chain.term).await, Err(IndexError::NotOnHead { .. })));
    drop(tx);
    assert!(blocks::header_by_hash(chain.index.pool(), sibling.hash).await.unwrap().is_none());
}

#[tokio::test]
async fn old_leader_cannot_seal_after_a_takeover() {
    let chain = chain().await;
    let pool = chain.index.pool();
    assert_eq!(lease::acquire(pool, "second", TTL).await.unwrap(), None);
    assert_eq!(lease::acquire(pool, "first", TTL).await.unwrap(), Some(chain.term));
    lease::release(pool, chain.term).await.unwrap();
    let term = lease::acquire(pool, "second", TTL).await.unwrap().unwrap();
    assert!(term > chain.term);

    let sealed = block(&chain.genesis, vec![]);
    let mut tx = chain.index.begin().await.unwrap();
    let refused = seal(&mut tx, &sealed, chain.term).await;
    assert!(matches!(refused, Err(IndexError::LeaseLost { term }) if term == chain.term));
    assert!(matches!(lease::renew(pool, chain.term, TTL).await, Err(IndexError::LeaseLost { .. })));
    drop(tx);
    let mut tx = chain.index.begin().await.unwrap();
    seal(&mut tx, &sealed, term).await.unwrap();
}

#[tokio::test]
async fn holder_that_lapsed_gets_a_new_term() {
    let chain = chain().await;
    lease::release(chain.index.pool(), chain.term).await.unwrap();
    let again = lease::acquire(chain.index.pool(), "first", TTL).await.unwrap().unwrap();
    assert!(again > chain.term);
}

#[tokio::test]
async fn rewind_gives_user_transactions_back_and_leaves_no_trace() {
    let chain = chain().await;
    let first = block(&chain.genesis, vec![(transfer(0), vec![log(EMITTER, &[1])])]);
    let second = block(&first.header, vec![(transfer(1), vec![log(EMITTER, &[1])]), (transfer(2), vec![])]);
    chain.seal(&first).await;
    chain.seal(&second).await;
    let pool = chain.index.pool();
    head::set(pool, Label::Safe, BlockNumber(2), second.hash).await.unwrap();

    let mut tx = chain.index.begin().await.unwrap();
    let raws = rewind(&mut tx, BlockNumber(1), chain.term).await.unwrap();
    tx.commit().await.unwrap();

    let expected: Vec<Bytes> = [1, 2].map(|nonce| transfer(nonce).encoded_2718().into()).to_vec();
    assert_eq!(raws, expected);
    let heads = head::get(pool).await.unwrap().unwrap();
    assert_eq!((heads.unsafe_head.hash, heads.safe.hash), (first.hash, first.hash));
    assert!(transaction::by_hash(pool, transfer(1).tx_hash()).await.unwrap().is_none());
    let filter = LogFilter { to: BlockNumber(9), ..LogFilter::default() };
    assert_eq!(logs::query(pool, &filter, 10).await.unwrap().len(), 1);
    chain.seal(&second).await;
}

#[tokio::test]
async fn final_blocks_are_never_rewound() {
    let chain = chain().await;
    let first = block(&chain.genesis, vec![]);
    chain.seal(&first).await;
    head::set(chain.index.pool(), Label::Finalized, BlockNumber(1), first.hash).await.unwrap();
    let mut tx = chain.index.begin().await.unwrap();
    let refused = rewind(&mut tx, BlockNumber(0), chain.term).await;
    assert!(matches!(refused, Err(IndexError::Finalized { .. })));
}

#[tokio::test]
async fn head_moves_to_stored_blocks_only() {
    let chain = chain().await;
    let pool = chain.index.pool();
    let unknown = head::set(pool, Label::Safe, BlockNumber(1), B256::ZERO).await;
    assert!(matches!(unknown, Err(IndexError::NotOnHead { .. })));
}

#[tokio::test]
async fn other_genesis_is_refused_and_the_same_one_is_not() {
    let chain = chain().await;
    let mut tx = chain.index.begin().await.unwrap();
    init_genesis(&mut tx, &chain.genesis, BlockId::default()).await.unwrap();
    let other = Header { timestamp: 2_000, ..chain.genesis.clone() };
    let refused = init_genesis(&mut tx, &other, BlockId::default()).await;
    assert!(matches!(refused, Err(IndexError::OtherGenesis { .. })));
}

#[tokio::test]
async fn migration_runs_twice_without_harm() {
    let (index, _database) = empty().await;
    index.migrate().await.unwrap();
    assert!(head::get(index.pool()).await.unwrap().is_none());
}

#[tokio::test]
async fn batch_inputs_leave_deposits_out() {
    let chain = chain().await;
    let first = block(&chain.genesis, vec![(transfer(0), vec![])]);
    let second = block(&first.header, vec![]);
    chain.seal(&first).await;
    chain.seal(&second).await;
    let inputs = blocks::batch_inputs(chain.index.pool(), BlockNumber(0), 10).await.unwrap();
    assert_eq!(inputs.iter().map(|block| block.number.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(inputs[0].transactions, [Bytes::from(transfer(0).encoded_2718())]);
    assert_eq!((inputs[0].hash, inputs[0].l1_origin), (first.hash, first.l1_origin));
    assert_eq!(inputs[0].senders.len(), 1);
    assert!(inputs[1].transactions.is_empty());
    assert_eq!(blocks::batch_inputs(chain.index.pool(), BlockNumber(0), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_latest_transactions_come_newest_first_within_limits() {
    let chain = chain().await;
    let first = block(&chain.genesis, vec![(transfer(0), vec![]), (transfer(1), vec![])]);
    let second = block(&first.header, vec![(transfer(2), vec![])]);
    chain.seal(&first).await;
    chain.seal(&second).await;
    let raw = |nonce: u64| Bytes::from(transfer(nonce).encoded_2718());
    let size_bytes = raw(0).len() as u64;
    let latest = async |first, last, limit, max_bytes| {
        let range = (BlockNumber(first), BlockNumber(last));
        let found = blocks::latest_transactions(chain.index.pool(), range, limit, max_bytes).await.unwrap();
        found.into_iter().map(|(number, _, raw)| (number.0, raw)).collect::<Vec<_>>()
    };
    assert_eq!(latest(0, 9, 10, 10_000).await, [(2, raw(2)), (1, raw(1)), (1, raw(0))]);
    assert_eq!(latest(0, 1, 10, 10_000).await, [(1, raw(1)), (1, raw(0))]);
    assert_eq!(latest(2, 9, 10, 10_000).await, [(2, raw(2))]);
    assert_eq!(latest(0, 9, 2, 10_000).await, [(2, raw(2)), (1, raw(1))]);
    assert_eq!(latest(0, 9, 10, 2 * size_bytes).await, [(2, raw(2)), (1, raw(1))]);
    assert_eq!(latest(0, 9, 10, 2 * size_bytes - 1).await, [(2, raw(2))]);
}

#[tokio::test]
async fn pool_batches_keep_order_and_go_as_a_whole() {
    let chain = chain().await;
    let pool = chain.index.pool();
    let raw = |nonce: u64| Bytes::from(transfer(nonce).encoded_2718());
    let first = pool_batch::insert(pool, &[raw(5), raw(0)], b"{}").await.unwrap();
    let second = pool_batch::insert(pool, &[raw(6)], &[]).await.unwrap();
    let stored = pool_batch::all(pool).await.unwrap();
    assert_eq!(stored[0], PoolBatch { id: first, txs: vec![raw(5), raw(0)], conditions: b"{}".to_vec() });
    assert_eq!(stored[1], PoolBatch { id: second, txs: vec![raw(6)], conditions: Vec::new() });

    pool_batch::erase(pool, &raw(5)).await.unwrap();
    let left: Vec<_> = pool_batch::all(pool).await.unwrap().into_iter().map(|batch| batch.txs).collect();
    assert_eq!(left, [[raw(0)], [raw(6)]]);

    let third = pool_batch::replace(pool, &[first], &[raw(0)], &[]).await.unwrap();
    assert!(third > second);
    let ids: Vec<_> = pool_batch::all(pool).await.unwrap().iter().map(|batch| batch.id).collect();
    assert_eq!(ids, [second, third]);
    pool_batch::remove(pool, &ids).await.unwrap();
    assert!(pool_batch::all(pool).await.unwrap().is_empty());
}

fn inputs(number: u64, parent_hash: B256) -> BlockInputs {
    BlockInputs {
        number: BlockNumber(number),
        parent_hash,
        timestamp: 1_000 + number,
        prev_randao: B256::repeat_byte(1),
        parent_beacon_block_root: B256::repeat_byte(2),
        fee_recipient: SENDER,
        gas_limit: 30_000_000,
        eip1559: Eip1559Params { denominator: 250, elasticity: 6, min_base_fee: 1 },
        l1_origin: BlockId { number: 4, hash: B256::with_last_byte(4) },
        sequence_number: 1,
        transactions: vec![attributes(number).encoded_2718().into()],
    }
}

#[tokio::test]
async fn open_blocks_read_back_in_order_until_they_are_sealed() {
    let chain = chain().await;
    let pool = chain.index.pool();
    let sealed = block(&chain.genesis, vec![(transfer(0), vec![])]);
    let (one, two) = (inputs(1, chain.genesis.hash_slow()), inputs(2, sealed.hash));
    let hash = B256::with_last_byte;
    open_block::begin(pool, &one, chain.term).await.unwrap();
    open_block::append(pool, BlockNumber(1), 1, &[hash(7), hash(5)], chain.term).await.unwrap();
    open_block::append(pool, BlockNumber(1), 3, &[hash(6)], chain.term).await.unwrap();
    open_block::begin(pool, &two, chain.term).await.unwrap();
    let stored = open_block::all(pool).await.unwrap();
    assert_eq!(stored[0], OpenBlock { inputs: one.clone(), order: vec![hash(7), hash(5), hash(6)] });
    assert_eq!(stored[1], OpenBlock { inputs: two.clone(), order: Vec::new() });

    chain.seal(&sealed).await;
    assert_eq!(open_block::all(pool).await.unwrap(), [OpenBlock { inputs: two, order: Vec::new() }]);
    open_block::begin(pool, &one, chain.term).await.unwrap();
    assert_eq!(open_block::all(pool).await.unwrap(), [OpenBlock { inputs: one, order: Vec::new() }]);
}

#[tokio::test]
async fn only_the_leader_notes_what_is_open() {
    let chain = chain().await;
    let pool = chain.index.pool();
    let one = inputs(1, chain.genesis.hash_slow());
    open_block::begin(pool, &one, chain.term).await.unwrap();
    let other = chain.term + 1;
    let refused = open_block::begin(pool, &one, other).await;
    assert!(matches!(refused, Err(IndexError::LeaseLost { term }) if term == other));
    let refused = open_block::append(pool, BlockNumber(1), 1, &[B256::ZERO], other).await;
    assert!(matches!(refused, Err(IndexError::LeaseLost { .. })));
    assert_eq!(open_block::all(pool).await.unwrap(), [OpenBlock { inputs: one, order: Vec::new() }]);
}

#[tokio::test]
async fn deposits_and_withdrawals_get_rows_of_their_own() {
    let chain = chain().await;
    let user = Address::repeat_byte(0x11);
    let deposit_tx = TxDeposit {
        source_hash: B256::repeat_byte(0x50),
        from: user,
        to: TxKind::Create,
        mint: 5,
        value: U256::from(4),
        gas_limit: 100_000,
        ..TxDeposit::default()
    };
    let passed = MessagePassed {
        nonce: U256::from(1) << 240,
        sender: user,
        target: EMITTER,
        value: U256::MAX,
        gasLimit: U256::from(21_000),
        data: Bytes::from_static(b"call"),
        withdrawalHash: keccak256("withdrawal"),
    };
    let event = alloy_primitives::Log {
        address: predeploys::L2_TO_L1_MESSAGE_PASSER,
        data: passed.encode_log_data(),
    };
    let deposit_tx = OpTxEnvelope::Deposit(deposit_tx.seal_slow());
    let sealed = block(&chain.genesis, vec![(deposit_tx.clone(), vec![]), (transfer(0), vec![event])]);
    chain.seal(&sealed).await;

    let pool = chain.index.pool();
    let found = deposit::by_block(pool, BlockNumber(1)).await.unwrap();
    assert_eq!(found, deposit::by_account(pool, user, 10).await.unwrap());
    assert_eq!((found.len(), found[0].index, found[0].recipient), (1, TxIndex(1), None));
    assert_eq!((found[0].mint, found[0].value), (U256::from(5), U256::from(4)));
    let creating = transaction::creating(pool, user.create(3)).await.unwrap().unwrap();
    assert_eq!(creating.transaction.tx_hash(), deposit_tx.tx_hash());

    let found = withdrawal::by_hash(pool, passed.withdrawalHash).await.unwrap().unwrap();
    assert_eq!((found.nonce, found.value, &found.data), (passed.nonce, U256::MAX, &passed.data));
    assert_eq!(found.tx_hash, transfer(0).tx_hash());
    assert_eq!(withdrawal::by_sender(pool, user, 10).await.unwrap(), std::slice::from_ref(&found));
    assert_eq!(withdrawal::by_block(pool, BlockNumber(1)).await.unwrap(), [found]);
    assert_ne!(attributes(1).tx_hash(), deposit_tx.tx_hash());
}
