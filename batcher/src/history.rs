//! What a channel may refer to: the chain right before it.

use lockstep_codec::{HISTORY_BLOCKS, HISTORY_BYTES, HISTORY_TRANSACTIONS, History};
use lockstep_index::{Index, IndexError, block::latest_transactions};
use lockstep_primitives::BlockNumber;

/// The history of a channel whose first block is `first`.
///
/// Read while the chain is rewound, it may be another chain's: make sure that the channel's blocks are in the chain
/// after they are encoded.
///
/// # Errors
/// [`IndexError`] if Postgres does not answer, or holds what does not decode.
pub async fn history(index: &Index, first: BlockNumber) -> Result<History, IndexError> {
    let last = BlockNumber(first.0.saturating_sub(1));
    let oldest = BlockNumber(first.0.saturating_sub(HISTORY_BLOCKS));
    let limit = u32::try_from(HISTORY_TRANSACTIONS).expect("fits: a constant");
    let latest = latest_transactions(index.pool(), (oldest, last), limit, HISTORY_BYTES as u64).await?;
    let mut history = History::default();
    for (number, sender, transaction) in latest.into_iter().rev() {
        history.push(number, [(sender, transaction)]);
    }
    // Blocks without transactions age the others.
    history.push(last, []);
    Ok(history)
}
