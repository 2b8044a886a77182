//! What a commit, a rewind and pruning do to the tables.

use alloy_primitives::B256;
use lockstep_primitives::BlockNumber;
use redb::{ReadableTable, WriteTransaction};

use crate::{
    StateError, StateHead, history,
    stage::Changes,
    tables::{BLOCKS, CODES, GENESIS, HISTORY, META, META_FIRST, META_HEAD, VALUES},
};

/// How many blocks back the `BLOCKHASH` instruction sees.
const BLOCKHASH_BLOCKS: u64 = 256;

/// Writes block 0.
pub(crate) fn genesis(
    transaction: &WriteTransaction,
    head: &StateHead,
    changes: &Changes,
) -> Result<(), StateError> {
    transaction.open_table(GENESIS)?.insert((), head.hash.0)?;
    transaction.open_table(META)?.insert(META_FIRST, 0)?;
    block(transaction, head, changes)
}

/// Writes a block's changes as those of `head`, and what they replace.
pub(crate) fn block(
    transaction: &WriteTransaction,
    head: &StateHead,
    changes: &Changes,
) -> Result<(), StateError> {
    let number = head.number.0;
    let mut values = transaction.open_table(VALUES)?;
    let mut history = transaction.open_table(HISTORY)?;
    let mut history = (number > 0).then(|| history::Writer::new(&mut history, number));
    for (key, value) in &changes.values {
        let replaced = match value {
            Some(value) => values.insert(&**key, &value[..])?,
            None => values.remove(&**key)?,
        };
        if let Some(history) = &mut history {
            history.push(key, replaced.as_ref().map_or(&[], |value| value.value()))?;
        }
    }
    if let Some(mut history) = history {
        history.finish()?;
    }
    let mut codes = transaction.open_table(CODES)?;
    for (hash, code) in &changes.codes {
        codes.insert(hash.0, &code[..])?;
    }
    transaction.open_table(BLOCKS)?.insert(number, block_bytes(&head.hash, &head.state_root))?;
    transaction.open_table(META)?.insert(META_HEAD, number)?;
    Ok(())
}

/// Refuses to go on if the head on disk is not the one in memory, which an earlier failed read can leave behind.
pub(crate) fn check_head(transaction: &WriteTransaction, head: BlockNumber) -> Result<(), StateError> {
    let meta = transaction.open_table(META)?;
    let stored = meta.get(META_HEAD)?.map(|number| number.value());
    if stored == Some(head.0) {
        return Ok(());
    }
    Err(StateError::Corrupted(format!(
        "the head on disk is {stored:?}, in memory {head}: open the store again"
    )))
}

/// Forgets the blocks from `from`, the oldest so far, to just below `to`.
pub(crate) fn prune(
    transaction: &WriteTransaction,
    from: BlockNumber,
    to: BlockNumber,
) -> Result<(), StateError> {
    if to <= from {
        return Ok(());
    }
    let mut history = transaction.open_table(HISTORY)?;
    let mut blocks = transaction.open_table(BLOCKS)?;
    for number in from.0 + 1..=to.0 {
        history::take(&mut history, number)?;
        if let Some(unreachable) = number.checked_sub(BLOCKHASH_BLOCKS + 1) {
            blocks.remove(unreachable)?;
        }
    }
    transaction.open_table(META)?.insert(META_FIRST, to.0)?;
    Ok(())
}

/// Takes the blocks above `to` back.
pub(crate) fn rewind(
    transaction: &WriteTransaction,
    head: BlockNumber,
    to: BlockNumber,
) -> Result<(), StateError> {
    let mut values = transaction.open_table(VALUES)?;
    let mut history = transaction.open_table(HISTORY)?;
    let mut blocks = transaction.open_table(BLOCKS)?;
    for number in (to.0 + 1..=head.0).rev() {
        for chunk in history::take(&mut history, number)? {
            for entry in history::entries(&chunk) {
                match entry? {
                    (key, []) => values.remove(key)?,
                    (key, value) => values.insert(key, value)?,
                };
            }
        }
        blocks.remove(number)?;
    }
    transaction.open_table(META)?.insert(META_HEAD, to.0)?;
    Ok(())
}

fn block_bytes(hash: &B256, state_root: &B256) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&hash[..]);
    bytes[32..].copy_from_slice(&state_root[..]);
    bytes
}
