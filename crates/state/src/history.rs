//! What blocks replaced, to read the state behind the head and to go back to it.
//!
//! A block's replaced values are kept in order of their keys, in chunks of a few kilobytes under
//! `block number [u64 BE] ++ first key of the chunk`. So they are written at the end of the table and removed at its
//! start, however the keys are spread. A chunk is a sequence of
//! `key length [1] ++ key ++ value length [u32 BE] ++ value`, where a value of no bytes means that there was none.

use alloy_primitives::Bytes;
use redb::{ReadableTable, Table};

use crate::{StateError, key::Key};

/// A chunk is closed when it has so many bytes.
const CHUNK_BYTES: usize = 4096;

type HistoryTable<'a> = Table<'a, &'static [u8], &'static [u8]>;

/// Writes the replaced values of one block, which come in order of their keys.
pub(crate) struct Writer<'a, 'txn> {
    table: &'a mut HistoryTable<'txn>,
    block: u64,
    name: Vec<u8>,
    chunk: Vec<u8>,
}

impl<'a, 'txn> Writer<'a, 'txn> {
    pub(crate) const fn new(table: &'a mut HistoryTable<'txn>, block: u64) -> Self {
        Self { table, block, name: Vec::new(), chunk: Vec::new() }
    }

    pub(crate) fn push(&mut self, key: &Key, replaced: &[u8]) -> Result<(), StateError> {
        if self.chunk.is_empty() {
            self.name = name(self.block, key);
        }
        self.chunk.push(u8::try_from(key.len()).expect("keys have at most 66 bytes"));
        self.chunk.extend_from_slice(key);
        let length = u32::try_from(replaced.len()).expect("values are nodes, accounts and slots");
        self.chunk.extend_from_slice(&length.to_be_bytes());
        self.chunk.extend_from_slice(replaced);
        if self.chunk.len() >= CHUNK_BYTES { self.finish() } else { Ok(()) }
    }

    /// Writes what is left.
    pub(crate) fn finish(&mut self) -> Result<(), StateError> {
        if !self.chunk.is_empty() {
            self.table.insert(&*self.name, &*self.chunk)?;
            self.chunk.clear();
        }
        Ok(())
    }
}

/// What `block` found at `key` when it wrote it; `None` if it did not write it.
pub(crate) fn replaced(
    history: &impl ReadableTable<&'static [u8], &'static [u8]>,
    block: u64,
    key: &Key,
) -> Result<Option<Option<Bytes>>, StateError> {
    let (start, wanted) = (block.to_be_bytes(), name(block, key));
    let Some(chunk) = history.range::<&[u8]>(&start[..]..=&*wanted)?.next_back().transpose()? else {
        return Ok(None);
    };
    for entry in entries(chunk.1.value()) {
        let (found, value) = entry?;
        if *found == **key {
            return Ok(Some((!value.is_empty()).then(|| Bytes::copy_from_slice(value))));
        }
    }
    Ok(None)
}

/// Removes what `block` replaced from the table and returns it.
pub(crate) fn take(history: &mut HistoryTable<'_>, block: u64) -> Result<Vec<Vec<u8>>, StateError> {
    let (start, end) = (block.to_be_bytes(), (block + 1).to_be_bytes());
    let names = history.range::<&[u8]>(&start[..]..&end[..])?;
    let names = names.map(|entry| Ok(entry?.0.value().to_vec())).collect::<Result<Vec<_>, StateError>>()?;
    let mut chunks = Vec::with_capacity(names.len());
    for name in names {
        chunks.extend(history.remove(&*name)?.map(|chunk| chunk.value().to_vec()));
    }
    Ok(chunks)
}

/// Keys and replaced values of a chunk.
pub(crate) fn entries(mut chunk: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), StateError>> {
    std::iter::from_fn(move || {
        if chunk.is_empty() {
            return None;
        }
        let read = entry(&mut chunk);
        if read.is_none() {
            chunk = &[];
        }
        Some(read.ok_or_else(|| StateError::Corrupted("bad history chunk".into())))
    })
}

fn entry<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let key_length = *input.split_off_first()?;
    let key = input.split_off(..usize::from(key_length))?;
    let length = input.split_off(..4)?.try_into().ok()?;
    let value = input.split_off(..usize::try_from(u32::from_be_bytes(length)).ok()?)?;
    Some((key, value))
}

fn name(block: u64, key: &Key) -> Vec<u8> {
    [&block.to_be_bytes()[..], key].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{key::Trie, tables::HISTORY};
    use alloy_primitives::B256;
    use redb::{Database, backends::InMemoryBackend};

    fn key(n: u16) -> Key {
        Trie::Accounts.value(&B256::left_padding_from(&n.to_be_bytes()))
    }

    #[test]
    fn replaced_values_are_found_by_block_and_key_and_taken_whole() {
        let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        let mut table = transaction.open_table(HISTORY).unwrap();
        for block in [7, 8] {
            let mut writer = Writer::new(&mut table, block);
            for n in (0..500).filter(|n| n % 2 == 0) {
                writer.push(&key(n), &vec![1; usize::from(n % 3) * 40]).unwrap();
            }
            writer.finish().unwrap();
        }
        for n in 0..500 {
            let expected =
                (n % 2 == 0).then(|| (n % 3 > 0).then(|| Bytes::from(vec![1; usize::from(n % 3) * 40])));
            assert_eq!(replaced(&table, 8, &key(n)).unwrap(), expected);
            assert_eq!(replaced(&table, 6, &key(n)).unwrap(), None);
        }
        let chunks = take(&mut table, 7).unwrap();
        assert!(chunks.len() > 3, "more than one chunk");
        assert_eq!(chunks.iter().flat_map(|chunk| entries(chunk)).filter(Result::is_ok).count(), 250);
        assert_eq!(replaced(&table, 7, &key(0)).unwrap(), None);
        assert!(replaced(&table, 8, &key(0)).unwrap().is_some());
    }

    #[test]
    fn a_damaged_chunk_is_an_error() {
        let chunk = [1, 9, 0, 0, 0, 2, 5, 5];
        assert_eq!(entries(&chunk).next().unwrap().unwrap(), (&[9][..], &[5, 5][..]));
        for length in 1..chunk.len() {
            let read: Vec<_> = entries(&chunk[..length]).collect();
            assert!(matches!(read[..], [Err(StateError::Corrupted(_))]));
        }
    }
}
