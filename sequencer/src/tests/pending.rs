//! The open block: what is shown of it is what the sealed block holds, whatever happens in between.

use alloy::{
    eips::Encodable2718,
    primitives::{Address, B256, Bytes, U256},
};
use lockstep_index::{open_block, pool_batch};
use lockstep_primitives::SealedBlock;

use super::rig::{FakeL1, Machine, Sequencer, key, transfer};
use crate::rpc::{PendingApi, PendingBlock, PoolApi, SubmitError};

const NOBODY: Address = Address::repeat_byte(0x77);
const ETHER: u64 = 1_000_000_000_000_000_000;

async fn started() -> (Machine, Sequencer) {
    let machine = Machine::new(&FakeL1::new()).await;
    let mut sequencer = machine.start().await;
    sequencer.seal().await;
    (machine, sequencer)
}

/// Bytes of each receipt that is shown, by transaction.
fn shown(sequencer: &Sequencer) -> Vec<(B256, Vec<u8>)> {
    let txs = sequencer.pending.transactions();
    txs.iter().map(|tx| (tx.transaction.tx_hash(), tx.receipt.encoded_2718())).collect()
}

fn sealed(block: &SealedBlock) -> Vec<(B256, Vec<u8>)> {
    let txs = block.transactions.iter().zip(&block.receipts);
    txs.map(|(tx, receipt)| (tx.tx_hash(), receipt.encoded_2718())).collect()
}

async fn look(sequencer: &mut Sequencer) -> std::sync::Arc<PendingBlock> {
    let pending = sequencer.pending.clone();
    let (block, answered) = tokio::join!(pending.block(), sequencer.engine.answer_next());
    answered.unwrap();
    block.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_shown_before_the_block_is_sealed_and_are_the_sealed_ones() {
    let (_machine, mut sequencer) = started().await;
    let mut batches = sequencer.pending.subscribe();
    let mut hashes = Vec::new();
    for nonce in 0..3 {
        hashes.push(sequencer.pool.submit(transfer(0, nonce, NOBODY, 5)).await.unwrap());
        sequencer.advance().await;
        assert_eq!(sequencer.pending.find(hashes[hashes.len() - 1]).unwrap().transactions.len(), 1);
    }
    let first = batches.recv().await.unwrap();
    assert_eq!(first.transactions[0].index, 0, "the L1 attributes come first");
    let before = shown(&sequencer);
    assert_eq!(before[1..].iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), hashes);

    let block = sequencer.seal().await;

    assert_eq!(before, sealed(&block));
    assert!(shown(&sequencer).is_empty() && sequencer.pending.find(hashes[0]).is_none());
    assert!(open_block::all(sequencer.index.pool()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_stays_true_when_the_sequencer_dies() {
    let (machine, mut sequencer) = started().await;
    for (from, nonce) in [(2, 0), (0, 0), (1, 0), (0, 1)] {
        sequencer.pool.submit(transfer(from, nonce, NOBODY, 5)).await.unwrap();
        sequencer.advance().await;
    }
    let before = shown(&sequencer);
    let later = sequencer.pool.submit(transfer(1, 1, NOBODY, 5)).await.unwrap();
    sequencer.stop().await;

    let mut sequencer = machine.start().await;

    assert_eq!(shown(&sequencer), before);
    let block = sequencer.seal().await;
    let sealed = sealed(&block);
    assert_eq!(sealed[..before.len()], before);
    assert_eq!(sealed[before.len()..].iter().map(|(hash, _)| *hash).collect::<Vec<_>>(), [later]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_block_that_its_leader_lost_is_made_again_by_the_next_one() {
    let (machine, mut paused) = started().await;
    paused.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    paused.advance().await;
    let before = shown(&paused);
    paused.lose_lease().await;
    let disk = tempfile::TempDir::new().unwrap();
    let mut leader = machine.start_in(disk.path()).await;

    paused.pool.submit(transfer(1, 0, NOBODY, 5)).await.unwrap();
    assert!(paused.try_advance().await.is_err(), "another leads: nothing more is shown");
    assert_eq!(shown(&paused), before);

    assert_eq!(shown(&leader), before);
    assert_eq!(sealed(&*leader.seal().await)[..before.len()], before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_block_on_an_origin_that_l1_dropped_is_begun_anew() {
    let l1 = FakeL1::new();
    let machine = Machine::new(&l1).await;
    let mut sequencer = machine.start().await;
    sequencer.seal().await;
    l1.mine(Vec::new());
    let hash = sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.advance().await;
    l1.reorg(1, 1);
    sequencer.see_l1_tip().await;

    assert!(sequencer.engine.produce(u64::MAX).await.unwrap().is_none());
    assert!(sequencer.pending.find(hash).is_none());
    let block = sequencer.seal().await;
    assert_eq!(block.transactions[1].tx_hash(), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_state_is_that_after_what_is_shown() {
    let (_machine, mut sequencer) = started().await;
    sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.advance().await;
    let one = look(&mut sequencer).await;
    sequencer.pool.submit(transfer(0, 1, NOBODY, 6)).await.unwrap();
    sequencer.advance().await;
    let two = look(&mut sequencer).await;

    let balance = |block: &PendingBlock| block.state.account(NOBODY).unwrap().unwrap().balance;
    assert_eq!((balance(&one), balance(&two)), (U256::from(5), U256::from(11)));
    assert_eq!((one.transactions.len(), two.transactions.len()), (2, 3));
    assert_eq!(two.header.number, 2);
    assert_eq!(two.header.gas_used, two.transactions[2].receipt.cumulative_gas_used());
    let latest = sequencer.engine.state().latest().unwrap();
    assert!(latest.account(NOBODY).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_came_with_the_open_block_can_be_spent_at_once() {
    let (_machine, mut sequencer) = started().await;
    let poor = key(9).address();
    let raw: Bytes = transfer(9, 0, NOBODY, 1);
    let refused = sequencer.pool.submit(raw.clone()).await;
    assert!(matches!(refused, Err(SubmitError::InsufficientFunds { .. })), "{refused:?}");
    sequencer.pool.submit(transfer(0, 0, poor, ETHER)).await.unwrap();
    sequencer.advance().await;

    let pool = sequencer.pool.clone();
    let (hash, answered) = tokio::join!(pool.submit(raw), sequencer.engine.answer_next());
    answered.unwrap();
    let too_much = transfer(9, 1, NOBODY, 2 * ETHER);
    let (refused, answered) = tokio::join!(pool.submit(too_much), sequencer.engine.answer_next());
    answered.unwrap();
    assert!(matches!(refused, Err(SubmitError::InsufficientFunds { .. })), "{refused:?}");
    let block = sequencer.seal().await;
    assert_eq!(block.transactions[2].tx_hash(), hash.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_paid_with_money_of_the_open_block_leaves_its_transactions_in_the_pool() {
    let (_machine, mut sequencer) = started().await;
    let poor = key(9).address();
    sequencer.pool.submit(transfer(0, 0, poor, ETHER)).await.unwrap();
    sequencer.advance().await;
    for nonce in [0, 1] {
        let (pool, raw) = (sequencer.pool.clone(), transfer(9, nonce, NOBODY, 1));
        let (hash, answered) = tokio::join!(pool.submit(raw), sequencer.engine.answer_next());
        hash.unwrap();
        answered.unwrap();
        sequencer.advance().await;
    }
    let held = &shown(&sequencer)[1..];
    assert_eq!(held.len(), 3);
    assert!(held.iter().all(|(hash, _)| sequencer.pool.by_hash(*hash).is_some()));
    let stored: usize =
        pool_batch::all(sequencer.index.pool()).await.unwrap().iter().map(|batch| batch.txs.len()).sum();
    assert_eq!(stored, 3, "what an open block holds is stored until that is sealed");
}

/// Judged before a block with the sender's last transaction was sealed, pooled after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_a_block_overtook_is_next() {
    let (_machine, mut sequencer) = started().await;
    let (pool, sender) = (sequencer.pool.clone(), key(0).address());
    pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.advance().await;

    let mut lock = sequencer.index.begin().await.unwrap();
    sqlx::query("lock table pool_batch in exclusive mode").execute(&mut *lock).await.unwrap();
    let submission = tokio::spawn({
        let pool = pool.clone();
        async move { pool.submit(transfer(0, 1, NOBODY, 6)).await }
    });
    let waits =
        "select exists (select from pg_locks where relation = 'pool_batch'::regclass and not granted)";
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(sequencer.index.pool()).await.unwrap() {}
    let overtake = async {
        while pool.pending_nonce(sender).is_some() {
            tokio::task::yield_now().await;
        }
        lock.rollback().await.unwrap();
    };
    tokio::join!(sequencer.seal(), overtake);

    let hash = submission.await.unwrap().unwrap();
    assert_eq!(pool.pending_nonce(sender), Some(2));
    assert_eq!(sequencer.seal().await.transactions[1].tx_hash(), hash);
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_means_the_open_block_in_every_method() {
    let (_machine, node) = super::rpc::node().await;
    let mut sequencer = node.sequencer;
    let module = node.module;
    sequencer.seal().await;
    let hash = sequencer.pool.submit(transfer(0, 0, NOBODY, 5)).await.unwrap();
    sequencer.advance().await;
    let mut ask = async |method: &str, params: serde_json::Value| {
        let request = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = request.to_string();
        let (answer, answered) =
            tokio::join!(module.raw_json_request(&request, 1), sequencer.engine.answer_next());
        answered.unwrap();
        let answer: serde_json::Value = serde_json::from_str(answer.unwrap().0.get()).unwrap();
        answer["result"].clone()
    };
    use serde_json::{Value, json};
    let block = ask("eth_getBlockByNumber", json!(["pending", false])).await;
    assert_eq!((&block["hash"], &block["number"]), (&Value::Null, &json!("0x2")));
    assert_eq!(block["transactions"][1], json!(hash));
    let full = ask("eth_getBlockByNumber", json!(["pending", true])).await;
    assert_eq!(
        (&full["transactions"][1]["hash"], &full["transactions"][1]["blockHash"]),
        (&json!(hash), &Value::Null)
    );
    assert_eq!(ask("eth_getBlockTransactionCountByNumber", json!(["pending"])).await, "0x2");
    let at_index = ask("eth_getTransactionByBlockNumberAndIndex", json!(["pending", "0x1"])).await;
    assert_eq!(at_index, full["transactions"][1]);
    let receipts = ask("eth_getBlockReceipts", json!(["pending"])).await;
    assert_eq!((&receipts[1]["transactionHash"], &receipts[1]["blockHash"]), (&json!(hash), &Value::Null));
    assert_eq!(ask("eth_getBalance", json!([NOBODY, "pending"])).await, "0x5");
    assert_eq!(ask("eth_getTransactionCount", json!([key(0).address(), "pending"])).await, "0x1");
    // NUMBER, and the balance of the caller's callee.
    let overrides = json!({key(1).address().to_string(): {"code": "0x435f5260205ff3"}});
    let number = ask("eth_call", json!([{"to": key(1).address()}, "pending", overrides])).await;
    assert_eq!(number, json!(B256::with_last_byte(2)));
    // What it holds it commits to as the sealed block does.
    let sealed = sequencer.seal().await;
    assert_eq!(block["transactionsRoot"], json!(sealed.header.transactions_root));
    assert_eq!(block["receiptsRoot"], json!(sealed.header.receipts_root));
    assert_eq!(block["logsBloom"], json!(sealed.header.logs_bloom));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_block_of_which_rows_were_lost_goes_on_with_the_rest() {
    let (machine, mut sequencer) = started().await;
    for from in [0, 1] {
        sequencer.pool.submit(transfer(from, 0, NOBODY, 5)).await.unwrap();
        sequencer.advance().await;
    }
    let first = shown(&sequencer)[..2].to_vec();
    let batches = pool_batch::all(sequencer.index.pool()).await.unwrap();
    pool_batch::remove(sequencer.index.pool(), &[batches[1].id]).await.unwrap();
    sequencer.stop().await;

    let mut sequencer = machine.start().await;

    assert_eq!(shown(&sequencer), first);
    let later = sequencer.pool.submit(transfer(2, 0, NOBODY, 5)).await.unwrap();
    sequencer.advance().await;
    let block = sequencer.seal().await;
    assert_eq!(sealed(&block)[..2], first);
    assert_eq!(block.transactions[2..].iter().map(|tx| tx.tx_hash()).collect::<Vec<_>>(), [later]);
}
