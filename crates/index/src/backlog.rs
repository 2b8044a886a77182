//! What is sealed and not on L1 yet.

use sqlx::PgExecutor;

use crate::{IndexError, convert::to_u64};

/// Blocks above the last one that is on L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unposted {
    /// How many.
    pub blocks: u64,
    /// Bytes of all of them in RLP.
    pub size_bytes: u64,
}

/// The blocks that neither the safe head nor a posted channel covers.
///
/// # Errors
/// [`IndexError::Database`].
pub async fn unposted(db: impl PgExecutor<'_>) -> Result<Unposted, IndexError> {
    let (blocks, size_bytes): (i64, i64) = sqlx::query_as(
        "select count(*), coalesce(sum(size_bytes), 0)::bigint from l2_block where number > greatest(\
         (select number from l2_head where label = 'safe'), \
         (select last_block from l1_submission where status in ('posted', 'final') order by id desc limit 1))",
    )
    .fetch_one(db)
    .await?;
    Ok(Unposted { blocks: to_u64(blocks, "count")?, size_bytes: to_u64(size_bytes, "l2_block.size_bytes")? })
}
