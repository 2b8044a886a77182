//! The trie against `alloy-trie`, which builds it anew from all leaves.

use std::collections::BTreeMap;

use alloy_trie::{HashBuilder, proof::verify_proof};
use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
struct Memory {
    nodes: BTreeMap<Nibbles, Bytes>,
    values: BTreeMap<B256, Bytes>,
}

impl Source for Memory {
    fn node(&self, path: &Nibbles) -> Result<Option<Bytes>, StateError> {
        Ok(self.nodes.get(path).cloned())
    }

    fn value(&self, hashed: &B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.values.get(hashed).cloned())
    }
}

impl Memory {
    fn apply(&mut self, block: &BTreeMap<B256, Option<Bytes>>) -> B256 {
        let updates =
            block.iter().map(|(key, value)| Update { key: Nibbles::unpack(key), value: value.clone() });
        let (root, changes) = update(self, &updates.collect::<Vec<_>>()).unwrap();
        for (path, node) in changes {
            match node {
                Some(node) => self.nodes.insert(path, node),
                None => self.nodes.remove(&path),
            };
        }
        for (key, value) in block {
            match value {
                Some(value) => self.values.insert(*key, value.clone()),
                None => self.values.remove(key),
            };
        }
        root
    }

    fn expected_root(&self) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in &self.values {
            builder.add_leaf(Nibbles::unpack(key), value);
        }
        builder.root()
    }

    fn reachable(&self) -> usize {
        fn count(memory: &Memory, path: Nibbles) -> usize {
            let Some(stored) = memory.nodes.get(&path) else { return 0 };
            let node::Node::Branch { prefix, children } = node::Node::decode(&path, stored).unwrap() else {
                return 1;
            };
            let at = path.join(&prefix);
            let below = (0u8..16).zip(&*children).filter(|(_, child)| matches!(child, node::Child::Node(_)));
            1 + below
                .map(|(nibble, _)| count(memory, at.join(&Nibbles::from_nibbles([nibble]))))
                .sum::<usize>()
        }
        count(self, Nibbles::new())
    }
}

/// Keys that share long prefixes, so that extensions split and branches collapse often.
fn key() -> impl Strategy<Value = B256> {
    let nibbles = prop::sample::select(vec![0x00u8, 0x01, 0x10, 0x11]);
    (nibbles.clone(), nibbles.clone(), nibbles, 0u8..4).prop_map(|(first, middle, last, same)| {
        let mut key = B256::repeat_byte(same);
        (key[0], key[15], key[31]) = (first, middle, last);
        key
    })
}

/// Values from so short that the leaf is contained in its parent to longer than a hash.
fn value() -> impl Strategy<Value = Option<Bytes>> {
    let some = prop::collection::vec(any::<u8>(), 1..40).prop_map(|value| Some(Bytes::from(value)));
    prop_oneof![2 => some, 1 => Just(None)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn root_after_every_block_is_that_of_a_new_trie(
        blocks in prop::collection::vec(prop::collection::btree_map(key(), value(), 0..12), 1..8),
    ) {
        let mut memory = Memory::default();
        for block in &blocks {
            let root = memory.apply(block);
            prop_assert_eq!(root, memory.expected_root());
            prop_assert_eq!(memory.nodes.len(), memory.reachable(), "no node is left behind");
        }
    }

    #[test]
    fn every_key_is_proven_to_have_its_value_or_none(
        block in prop::collection::btree_map(key(), value(), 0..24),
        asked in prop::collection::vec(key(), 1..8),
    ) {
        let mut memory = Memory::default();
        let root = memory.apply(&block);
        for key in block.keys().chain(&asked) {
            let proof = prove(&memory, root, key).unwrap();
            let value = memory.values.get(key).map(|value| value.to_vec());
            let verified = verify_proof(root, Nibbles::unpack(key), value, &proof);
            prop_assert!(verified.is_ok(), "{:?}", verified);
        }
    }
}

#[test]
fn large_updates_are_the_same_on_threads() {
    let mut memory = Memory::default();
    for round in 0u64..3 {
        let value = |n: u64| (n % 3 != round).then(|| Bytes::from(vec![1; 1 + n as usize % 50]));
        let block = (0..2_000u64).map(|n| (alloy_primitives::keccak256(n.to_be_bytes()), value(n))).collect();
        assert_eq!(memory.apply(&block), memory.expected_root());
        assert_eq!(memory.nodes.len(), memory.reachable());
    }
}

#[test]
fn a_node_that_does_not_match_its_hash_is_not_proven() {
    let mut memory = Memory::default();
    let keys = [B256::repeat_byte(1), B256::repeat_byte(2)];
    let root = memory.apply(&keys.iter().map(|key| (*key, Some(Bytes::from_static(b"value")))).collect());
    memory.values.insert(keys[0], Bytes::from_static(b"other"));
    assert!(matches!(prove(&memory, root, &keys[0]), Err(StateError::Corrupted(_))));
    assert!(matches!(prove(&memory, B256::ZERO, &keys[1]), Err(StateError::Corrupted(_))));
}

#[test]
fn a_missing_node_is_an_error() {
    let mut memory = Memory::default();
    let block =
        (0..100u64).map(|n| (alloy_primitives::keccak256(n.to_be_bytes()), Some(Bytes::from_static(b"x"))));
    let block: BTreeMap<_, _> = block.collect();
    memory.apply(&block);
    memory.nodes.retain(|path, _| path.is_empty());
    let updates: Vec<_> = block.keys().map(|key| Update { key: Nibbles::unpack(key), value: None }).collect();
    assert!(matches!(update(&memory, &updates), Err(StateError::Corrupted(_))));
}
