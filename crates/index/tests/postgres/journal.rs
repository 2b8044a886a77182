//! The batcher's journal and batches.

use alloy_primitives::{B256, Bytes};
use lockstep_index::{
    IndexError,
    batch::{self, Batch},
    submission::{self, Attempt, DaType, NewSubmission, Step},
};
use lockstep_primitives::{BlockId, BlockNumber};

use crate::support::empty;

fn channel(first: u64, last: u64) -> NewSubmission {
    NewSubmission {
        first_block: BlockNumber(first),
        last_block: BlockNumber(last),
        tip_hash: B256::with_last_byte(1),
        data: Bytes::from_static(b"channel"),
        da_type: DaType::Blobs,
    }
}

fn attempt(n: u8) -> Attempt {
    Attempt { nonce: 7, tx_hash: B256::with_last_byte(n), raw: Bytes::from(vec![n]) }
}

const L1_BLOCK: BlockId = BlockId { number: 40, hash: B256::repeat_byte(0x40) };

#[tokio::test]
async fn submission_goes_from_sealed_to_final() {
    let (index, _database) = empty().await;
    let pool = index.pool();
    assert!(submission::latest(pool).await.unwrap().is_none());
    let id = submission::insert(pool, &channel(1, 5)).await.unwrap();
    let stored = submission::latest(pool).await.unwrap().unwrap();
    assert_eq!((stored.channel, stored.step), (channel(1, 5), Step::Sealed));

    assert_eq!(submission::prepare(pool, id, &attempt(1)).await.unwrap(), 0);
    assert_eq!(submission::prepare(pool, id, &attempt(2)).await.unwrap(), 1);
    assert_eq!(submission::attempts(pool, id).await.unwrap(), [attempt(1), attempt(2)]);
    assert_eq!(submission::open(pool).await.unwrap()[0].step, Step::Prepared);

    let tx_hash = attempt(2).tx_hash;
    submission::posted(pool, id, tx_hash, L1_BLOCK).await.unwrap();
    assert_eq!(submission::open(pool).await.unwrap()[0].step, Step::Posted { l1_block: L1_BLOCK, tx_hash });
    submission::reorged(pool, id).await.unwrap();
    assert_eq!(submission::open(pool).await.unwrap()[0].step, Step::Prepared);
    submission::posted(pool, id, attempt(1).tx_hash, L1_BLOCK).await.unwrap();
    submission::finalized(pool, id).await.unwrap();

    assert!(submission::open(pool).await.unwrap().is_empty());
    assert!(submission::attempts(pool, id).await.unwrap().is_empty());
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

    submission::prepare(pool, id, &attempt(1)).await.unwrap();
    let unknown = submission::posted(pool, id, attempt(9).tx_hash, L1_BLOCK).await;
    assert!(matches!(unknown, Err(IndexError::WrongStep { .. })));
    submission::abandon(pool, id).await.unwrap();
    let late = submission::prepare(pool, id, &attempt(2)).await;
    assert!(matches!(late, Err(IndexError::WrongStep { .. })));
    assert_eq!(submission::attempts(pool, id).await.unwrap(), [attempt(1)]);
    assert!(submission::latest(pool).await.unwrap().is_none());
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
