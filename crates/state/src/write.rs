//! What a commit, a rewind and pruning do to the tables.

use alloy_primitives::B256;
use lockstep_primitives::BlockNumber;
use redb::{ReadableTable, Table, WriteTransaction};

use crate::{
    StateError, StateHead,
    key::Key,
    stage::Changes,
    tables::{
        BLOCKS, CODES, GENESIS, META, META_FIRST, META_HEAD, VALUES, WRITTEN, decode_written, encode_written,
        stored,
    },
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

/// Writes a block's changes as those of `head`.
pub(crate) fn block(
    transaction: &WriteTransaction,
    head: &StateHead,
    changes: &Changes,
) -> Result<(), StateError> {
    let number = head.number.0;
    let mut values = transaction.open_table(VALUES)?;
    for (key, value) in &changes.values {
        values.insert(key.at(number).as_slice(), stored(value.as_ref()))?;
    }
    let mut codes = transaction.open_table(CODES)?;
    for (hash, code) in &changes.codes {
        codes.insert(hash.0, &code[..])?;
    }
    if number > 0 {
        // Block 0 is never taken back, and nothing is older.
        let keys = encode_written(changes.values.iter().map(|(key, _)| key));
        transaction.open_table(WRITTEN)?.insert(number, &*keys)?;
    }
    transaction.open_table(BLOCKS)?.insert(number, block_bytes(&head.hash, &head.state_root))?;
    transaction.open_table(META)?.insert(META_HEAD, number)?;
    Ok(())
}

/// Forgets what only blocks below `to` need, when `from` was the oldest block so far.
pub(crate) fn prune(
    transaction: &WriteTransaction,
    from: BlockNumber,
    to: BlockNumber,
) -> Result<(), StateError> {
    if to <= from {
        return Ok(());
    }
    let mut values = transaction.open_table(VALUES)?;
    let mut written = transaction.open_table(WRITTEN)?;
    let mut blocks = transaction.open_table(BLOCKS)?;
    for number in from.0 + 1..=to.0 {
        for key in take_written(&mut written, number)? {
            remove_superseded(&mut values, &key, number)?;
        }
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
    let mut written = transaction.open_table(WRITTEN)?;
    let mut blocks = transaction.open_table(BLOCKS)?;
    for number in (to.0 + 1..=head.0).rev() {
        for key in take_written(&mut written, number)? {
            values.remove(key.at(number).as_slice())?;
        }
        blocks.remove(number)?;
    }
    transaction.open_table(META)?.insert(META_HEAD, to.0)?;
    Ok(())
}

/// Removes versions of `key` older than block `number`, which wrote it; and that one too if it says deleted.
fn remove_superseded(
    values: &mut Table<'_, &'static [u8], &'static [u8]>,
    key: &Key,
    number: u64,
) -> Result<(), StateError> {
    let (low, high) = (key.at(0), key.at(number));
    let older = values.range(low.as_slice()..high.as_slice())?;
    let older =
        older.map(|version| Ok(version?.0.value().to_vec())).collect::<Result<Vec<_>, StateError>>()?;
    for version in older {
        values.remove(&*version)?;
    }
    let is_deleted = values.get(high.as_slice())?.is_some_and(|value| value.value().is_empty());
    if is_deleted {
        values.remove(high.as_slice())?;
    }
    Ok(())
}

fn take_written(written: &mut Table<'_, u64, &'static [u8]>, number: u64) -> Result<Vec<Key>, StateError> {
    let keys = written.remove(number)?;
    let keys = keys.ok_or_else(|| StateError::Corrupted(format!("no list of what block {number} wrote")))?;
    decode_written(keys.value())
}

fn block_bytes(hash: &B256, state_root: &B256) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&hash[..]);
    bytes[32..].copy_from_slice(&state_root[..]);
    bytes
}
