//! What waits for L1 in Postgres, and what blocks may hold for it.

use alloy::primitives::{Address, B256, Bytes, keccak256};
use lockstep_index::{
    backlog::{self, Unposted},
    head,
    submission::{self, Attempt, DaType, NewSubmission},
};
use lockstep_primitives::{BlockId, BlockNumber, SealedBlock};

use super::rig::{FakeL1, Machine, Sequencer, body, signed, transfer};
use crate::{
    Throttle,
    backpressure::EMPTY_BLOCK_BYTES,
    rpc::{PoolApi, SubmitError},
};

const NOBODY: Address = Address::repeat_byte(0x77);

fn data(from: u8, nonce: u64, bytes: usize) -> Bytes {
    let input = Bytes::from_iter((0..bytes).map(|i| keccak256(i.to_be_bytes())[0]));
    signed(from, alloy::consensus::TxEip1559 { input, gas_limit: 5_000_000, ..body(nonce, NOBODY, 1) })
}

/// Records that the channel of all blocks up to `last` is in an L1 block, as the batcher does.
async fn record_posted(sequencer: &Sequencer, last: &SealedBlock) {
    let db = sequencer.index.pool();
    let number = BlockNumber(last.header.number);
    let first_block = BlockNumber(1);
    let data = Bytes::new();
    let da_type = DaType::Blobs;
    let channel = NewSubmission { first_block, last_block: number, tip_hash: last.hash, data, da_type };
    let id = submission::insert(db, &channel).await.unwrap();
    let tx_hash = B256::with_last_byte(1);
    submission::prepare(db, id, Address::ZERO, &Attempt { nonce: 0, tx_hash, raw: Bytes::new() })
        .await
        .unwrap();
    submission::posted(db, id, tx_hash, BlockId::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_wait_for_l1_until_a_posted_channel_or_the_safe_head_covers_them() {
    let machine = Machine::new(&FakeL1::new()).await;
    let mut sequencer = machine.start().await;
    let unposted = async |sequencer: &Sequencer| backlog::unposted(sequencer.index.pool()).await.unwrap();
    assert_eq!(unposted(&sequencer).await, Unposted::default());

    let first = sequencer.seal().await;
    let empty = unposted(&sequencer).await;
    assert_eq!(empty.blocks, 1);
    assert!((EMPTY_BLOCK_BYTES - 50..EMPTY_BLOCK_BYTES + 50).contains(&empty.size_bytes), "{empty:?}");

    sequencer.pool.submit(data(0, 0, 20_000)).await.unwrap();
    let second = sequencer.seal().await;
    let both = unposted(&sequencer).await;
    assert!((20_000..20_500).contains(&(both.size_bytes - 2 * EMPTY_BLOCK_BYTES)), "{both:?}");

    record_posted(&sequencer, &first).await;
    assert_eq!(unposted(&sequencer).await.blocks, 1);
    let number = BlockNumber(second.header.number);
    head::set(sequencer.index.pool(), head::Label::Safe, number, second.hash).await.unwrap();
    assert_eq!(unposted(&sequencer).await, Unposted::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_shrink_while_data_waits_and_grow_again_once_it_is_posted() {
    let mut machine = Machine::new(&FakeL1::new()).await;
    machine.throttle = Throttle { backlog_lower: 10_000, backlog_upper: 50_000, ..Throttle::default() };
    let mut sequencer = machine.start().await;
    let loosest = machine.throttle.loosest();
    sequencer.pool.submit(data(0, 0, 60_000)).await.unwrap();
    let full = sequencer.seal().await;

    sequencer.limits.wait_for(|limits| limits.block_bytes == 4_000).await.unwrap();
    let large = sequencer.pool.submit(data(0, 1, 5_000)).await.unwrap();
    let behind = sequencer.pool.submit(transfer(0, 2, NOBODY, 1)).await.unwrap();
    let small = sequencer.pool.submit(transfer(1, 0, NOBODY, 1)).await.unwrap();
    let throttled = sequencer.seal().await;
    assert_eq!(throttled.transactions[1..].iter().map(|tx| tx.tx_hash()).collect::<Vec<_>>(), [small]);

    record_posted(&sequencer, &full).await;
    sequencer.limits.wait_for(|limits| *limits == loosest).await.unwrap();
    let free = sequencer.seal().await;
    assert_eq!(free.transactions[1..].iter().map(|tx| tx.tx_hash()).collect::<Vec<_>>(), [large, behind]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_no_block_may_ever_hold_is_refused_at_once() {
    let mut machine = Machine::new(&FakeL1::new()).await;
    machine.throttle.max_block_bytes = 5_000;
    let sequencer = machine.start().await;
    let raw = data(0, 0, 6_000);
    let refused = sequencer.pool.submit(raw.clone()).await.unwrap_err();
    assert_eq!(refused, SubmitError::Oversized { size: raw.len(), limit: 5_000 });
    sequencer.pool.submit(data(0, 0, 4_000)).await.unwrap();
}
