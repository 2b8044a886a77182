//! The batcher's journal and batches.

use alloy_primitives::{Address, B256, Bytes};
use lockstep_index::{
    Index, IndexError,
    batch::{self, Batch},
    submission::{self, Attempt, DaType, NewSubmission, Step},
};
use lockstep_primitives::{BlockId, BlockNumber};

use crate::support::empty;

fn channel(first: u64, last: u64) -> NewSubmission {
    NewSubmission {
        first_block: BlockNumber(first),
        last_block: BlockNumber(last),
        tip_hash: B256::left_padding_from(&last.to_be_bytes()),
        data: Bytes::from_static(b"channel"),
        da_type: DaType::Blobs,
    }
}

fn attempt(n: u8) -> Attempt {
    Attempt { nonce: 7, tx_hash: B256::with_last_byte(n), raw: Bytes::from(vec![n]) }
}

const SENDER: Address = Address::repeat_byte(0xba);
const L1_BLOCK: BlockId = BlockId { number: 40, hash: B256::repeat_byte(0x40) };

#[tokio::test]
async fn submission_goes_from_sealed_to_final() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    assert!(submission::latest(pool).await.unwrap().is_none());
    let id = submission::insert(pool, &channel(1, 5)).await.unwrap();
    let stored = submission::latest(pool).await.unwrap().unwrap();
    assert_eq!((stored.first_block, stored.last_block), (BlockNumber(1), BlockNumber(5)));
    assert_eq!((stored.step, stored.nonce, stored.sender), (Step::Sealed, None, None));
    assert_eq!(submission::data(pool, id).await.unwrap(), channel(1, 5).data);

    assert_eq!(submission::prepare(pool, id, SENDER, &attempt(1)).await.unwrap(), 0);
    assert_eq!(submission::prepare(pool, id, SENDER, &attempt(2)).await.unwrap(), 1);
    assert_eq!(submission::attempts(pool, id).await.unwrap(), [attempt(1), attempt(2)]);
    let stored = submission::open(pool).await.unwrap()[0];
    assert_eq!((stored.step, stored.nonce, stored.sender), (Step::Prepared, Some(7), Some(SENDER)));

    let tx_hash = attempt(2).tx_hash;
    submission::posted(pool, id, tx_hash, L1_BLOCK).await.unwrap();
    assert_eq!(submission::open(pool).await.unwrap()[0].step, Step::Posted { l1_block: L1_BLOCK, tx_hash });
    submission::reorged(pool, id).await.unwrap();
    assert_eq!(submission::open(pool).await.unwrap()[0].step, Step::Prepared);
    submission::posted(pool, id, attempt(1).tx_hash, L1_BLOCK).await.unwrap();
    submission::finalized(pool, id).await.unwrap();

    assert!(submission::open(pool).await.unwrap().is_empty());
    assert!(submission::attempts(pool, id).await.unwrap().is_empty());
    assert!(submission::data(pool, id).await.unwrap().is_empty());
    let done = submission::by_block(pool, BlockNumber(3)).await.unwrap().unwrap();
    assert_eq!((done.id, done.step), (id, Step::Final));
    assert_eq!(submission::by_id(pool, id).await.unwrap().unwrap().step, Step::Final);
    assert!(submission::by_id(pool, id + 1).await.unwrap().is_none());
    assert!(submission::by_block(pool, BlockNumber(6)).await.unwrap().is_none());
}

#[tokio::test]
async fn steps_out_of_order_are_refused() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    let id = submission::insert(pool, &channel(1, 5)).await.unwrap();
    let refused = [
        submission::posted(pool, id, attempt(1).tx_hash, L1_BLOCK).await,
        submission::finalized(pool, id).await,
        submission::reorged(pool, id).await,
    ];
    assert!(refused.iter().all(|result| matches!(result, Err(IndexError::WrongStep { .. }))));

    submission::prepare(pool, id, SENDER, &attempt(1)).await.unwrap();
    let unknown = submission::posted(pool, id, attempt(9).tx_hash, L1_BLOCK).await;
    assert!(matches!(unknown, Err(IndexError::WrongStep { .. })));
    submission::abandon(pool, id).await.unwrap();
    let late = submission::prepare(pool, id, SENDER, &attempt(2)).await;
    assert!(matches!(late, Err(IndexError::WrongStep { .. })));
    assert_eq!(submission::attempts(pool, id).await.unwrap(), [attempt(1)]);
    assert!(submission::latest(pool).await.unwrap().is_none());
}

fn with_nonce(nonce: u64) -> Attempt {
    Attempt { nonce, ..attempt(u8::try_from(nonce).unwrap()) }
}

/// Three submissions with the nonces 7, 8 and 9.
async fn three_prepared(index: &Index) -> [i64; 3] {
    let mut ids = [0; 3];
    for (place, nonce) in (7..10).enumerate() {
        let first = 1 + 5 * place as u64;
        ids[place] = submission::insert(index.pool(), &channel(first, first + 4)).await.unwrap();
        submission::prepare(index.pool(), ids[place], SENDER, &with_nonce(nonce)).await.unwrap();
    }
    ids
}

#[tokio::test]
async fn the_next_nonce_follows_all_that_the_account_ever_signed() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    assert_eq!(submission::next_nonce(pool, SENDER).await.unwrap(), 0);
    let [first, ..] = three_prepared(&index).await;
    submission::abandon(pool, first).await.unwrap();
    assert!(submission::open(pool).await.unwrap().is_empty());
    assert_eq!(submission::next_nonce(pool, SENDER).await.unwrap(), 10);
    assert_eq!(submission::next_nonce(pool, Address::ZERO).await.unwrap(), 0);
}

#[tokio::test]
async fn a_channel_is_abandoned_with_all_its_frames() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    let before = submission::insert(pool, &channel(1, 5)).await.unwrap();
    let mut frames = Vec::new();
    for nonce in 7..10 {
        frames.push(submission::insert(pool, &channel(6, 6)).await.unwrap());
        submission::prepare(pool, frames[frames.len() - 1], SENDER, &with_nonce(nonce)).await.unwrap();
    }
    submission::insert(pool, &channel(7, 9)).await.unwrap();
    submission::posted(pool, frames[0], with_nonce(7).tx_hash, L1_BLOCK).await.unwrap();
    submission::finalized(pool, frames[0]).await.unwrap();
    submission::abandon(pool, frames[2]).await.unwrap();
    let open: Vec<_> = submission::open(pool).await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(open, [before]);
    assert_eq!(submission::latest(pool).await.unwrap().unwrap().id, before);
}

#[tokio::test]
async fn channels_are_sealed_again_as_the_same_bytes_in_order() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    let [first, second, third] = three_prepared(&index).await;
    submission::seal_again(pool, second).await.unwrap();
    let open = submission::open(pool).await.unwrap();
    let blocks: Vec<_> = open.iter().map(|one| (one.first_block.0, one.last_block.0)).collect();
    assert_eq!(blocks, [(1, 5), (6, 10), (11, 15)]);
    assert_eq!(open[0].id, first);
    assert!(open[1..].iter().all(|one| one.step == Step::Sealed && one.id > third));
    assert_eq!(submission::data(pool, open[1].id).await.unwrap(), channel(6, 10).data);
    let stale: Vec<_> = submission::stale(pool).await.unwrap().iter().map(|one| one.nonce).collect();
    assert_eq!(stale, [Some(8), Some(9)]);
}

#[tokio::test]
async fn abandoned_transactions_are_kept_until_a_later_nonce_is_final() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    let [_, second, _] = three_prepared(&index).await;
    submission::abandon(pool, second).await.unwrap();
    let new = submission::insert(pool, &channel(6, 15)).await.unwrap();
    submission::prepare(pool, new, SENDER, &with_nonce(10)).await.unwrap();
    submission::posted(pool, new, with_nonce(10).tx_hash, L1_BLOCK).await.unwrap();
    assert_eq!(submission::stale(pool).await.unwrap().len(), 2);
    submission::finalized(pool, new).await.unwrap();
    assert!(submission::stale(pool).await.unwrap().is_empty());
}

#[tokio::test]
async fn batch_of_a_reorged_l1_block_is_replaced() {
    let (index, _database) = empty().await;
    let batch = Batch {
        index: 0,
        batch_hash: B256::repeat_byte(1),
        l1_block: L1_BLOCK,
        l1_tx_hash: B256::repeat_byte(2),
        da_type: DaType::Calldata,
        first_block: BlockNumber(1),
        last_block: BlockNumber(9),
    };
    batch::insert(index.pool(), &batch).await.unwrap();
    let moved = Batch { l1_block: BlockId { number: 41, ..L1_BLOCK }, ..batch };
    batch::insert(index.pool(), &moved).await.unwrap();
    assert_eq!(batch::by_block(index.pool(), BlockNumber(9)).await.unwrap(), Some(moved));
    assert_eq!(batch::by_block(index.pool(), BlockNumber(10)).await.unwrap(), None);
    assert_eq!(batch::by_index(index.pool(), 0).await.unwrap(), Some(moved));
    assert_eq!(batch::by_index(index.pool(), 1).await.unwrap(), None);
}
