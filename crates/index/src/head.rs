//! The three heads.

use alloy_primitives::B256;
use lockstep_primitives::{BlockId, BlockNumber};
use sqlx::PgExecutor;

use crate::{
    IndexError,
    convert::{to_bigint, to_hash, to_u64},
};

/// How sure a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// Latest sealed.
    Unsafe,
    /// Latest derivable from L1.
    Safe,
    /// Latest derivable from final L1 blocks.
    Finalized,
}

impl Label {
    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unsafe => "unsafe",
            Self::Safe => "safe",
            Self::Finalized => "finalized",
        }
    }
}

/// The heads as stored. Before genesis there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredHeads {
    /// Latest sealed block.
    pub unsafe_head: BlockId,
    /// Latest block derivable from L1.
    pub safe: BlockId,
    /// Latest block derivable from final L1 blocks.
    pub finalized: BlockId,
}

/// All three heads; `None` before genesis.
///
/// # Errors
/// [`IndexError::Database`], or [`IndexError::Corrupt`] if a row does not decode.
pub async fn get(db: impl PgExecutor<'_>) -> Result<Option<StoredHeads>, IndexError> {
    let rows: Vec<(String, i64, Vec<u8>)> =
        sqlx::query_as("select label, number, hash from l2_head").fetch_all(db).await?;
    let find = |label: Label| -> Result<Option<BlockId>, IndexError> {
        let row = rows.iter().find(|(name, ..)| name == label.as_str());
        row.map(|(_, number, hash)| {
            Ok(BlockId { number: to_u64(*number, "l2_head.number")?, hash: to_hash(hash, "l2_head.hash")? })
        })
        .transpose()
    };
    let (Some(unsafe_head), Some(safe), Some(finalized)) =
        (find(Label::Unsafe)?, find(Label::Safe)?, find(Label::Finalized)?)
    else {
        return Ok(None);
    };
    Ok(Some(StoredHeads { unsafe_head, safe, finalized }))
}

/// Moves the safe or the finalized head to a stored block. The unsafe head moves by sealing only.
///
/// # Errors
/// [`IndexError::NotOnHead`] if no such block is stored.
pub async fn set(
    db: impl PgExecutor<'_>,
    label: Label,
    number: BlockNumber,
    hash: B256,
) -> Result<(), IndexError> {
    let done = sqlx::query(
        "update l2_head set number = $2, hash = $3 where label = $1 and label <> 'unsafe' \
         and exists (select from l2_block where number = $2 and hash = $3)",
    )
    .bind(label.as_str())
    .bind(to_bigint(number.0)?)
    .bind(hash.as_slice())
    .execute(db)
    .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(IndexError::NotOnHead { number, parent: hash }) }
}
