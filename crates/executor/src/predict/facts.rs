//! What is known about a call: before it, and after it ran.

use std::cell::{Cell, OnceCell};

use alloy_primitives::{Address, TxKind, U256, keccak256, map::HashMap};
use revm::context::Transaction;

use super::{
    expr::{is_small, low_160, may_be_address},
    given,
    memory::Memory,
    seen::Seen,
};

/// Calldata words beyond this are not looked at.
const MAX_WORDS_END: usize = 4 + 32 * 256;
/// Calldata beyond this is not searched for packed addresses.
const MAX_SEARCHED_BYTES: usize = 4 + 32 * 64;
/// Places in calldata that are kept for one word.
const MAX_WORDS: usize = 8;
/// Words of calldata that may be indices.
const MAX_COUNTS: usize = 4;
/// Places in calldata that are kept for one packed address.
const MAX_PACKED: usize = 4;
/// Furthest distance of an element from the hash that its array begins at, in bits.
const MAX_DISTANCE_BITS: usize = 48;

/// Loaded values that are searched.
const MAX_LOADS: usize = 64;
/// Searches through loads per execution that is learned from.
const MAX_SEARCHES: u32 = 1024;

/// Parts of one expression.
const MAX_NODES: u32 = 64;

/// What is known before a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) caller: Address,
    /// The called account, or the created one.
    pub(super) callee: Address,
    pub(super) value: U256,
    pub(super) input: &'a [u8],
    pub(super) is_create: bool,
}

impl<'a> Call<'a> {
    pub(super) fn new<T: Transaction>(tx: &'a T) -> Option<Self> {
        let callee = match tx.kind() {
            TxKind::Call(to) => to,
            TxKind::Create => given::created(tx)?,
        };
        let is_create = tx.kind().is_create();
        Some(Self { caller: tx.caller(), callee, value: tx.value(), input: tx.input(), is_create })
    }

    /// 32 bytes of calldata.
    pub(super) fn word(&self, at: u16) -> Option<U256> {
        let at = usize::from(at);
        self.input.get(at..at + 32).map(U256::from_be_slice)
    }

    /// 20 bytes of calldata.
    pub(super) fn packed(&self, at: u16) -> Option<U256> {
        let at = usize::from(at);
        self.input.get(at..at + 20).map(U256::from_be_slice)
    }

    /// Calldata words: behind the selector, or arguments of a constructor, which are behind its code.
    pub(super) fn words(&self) -> impl Iterator<Item = (u16, U256)> + '_ {
        let start = if self.is_create { self.input.len().saturating_sub(32 * 8) } else { 4 };
        let end = if self.is_create { self.input.len() } else { self.input.len().min(MAX_WORDS_END) };
        (start..end).step_by(32).filter_map(|at| {
            let at = u16::try_from(at).ok()?;
            Some((at, self.word(at)?))
        })
    }

    /// Every address that may be in calldata, beside whole words, and where its 20 bytes begin.
    fn packed_addresses(&self) -> Vec<(U256, u16)> {
        let searched =
            if self.is_create { &[] } else { &self.input[..self.input.len().min(MAX_SEARCHED_BYTES)] };
        let windows = searched.windows(20).map(U256::from_be_slice).zip(0_u16..);
        let is_word = |at: u16| at.checked_sub(12).is_some_and(|word| word % 32 == 4);
        let mut found: Vec<_> =
            windows.filter(|(value, at)| may_be_address(*value) && !is_word(*at)).collect();
        found.sort_unstable();
        found
    }
}

/// What is known after a call.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) call: Call<'a>,
    /// Calldata words by value.
    words: Vec<(U256, u16)>,
    packed: OnceCell<Vec<(U256, u16)>>,
    hashes: Vec<(U256, &'a [u8])>,
    addresses: Vec<(U256, &'a [u8])>,
    by_input: HashMap<&'a [u8], U256>,
    loads: Vec<(Address, U256, [u8; 32])>,
    /// Searches that may still be made: hostile executions must not make learning slow.
    searches: Cell<u32>,
    /// Parts that the expression at hand may still get: hashes of hashes of hashes grow fast.
    nodes: Cell<u32>,
    loaded: HashMap<(Address, U256), U256>,
    memory: &'a Memory,
}

impl<'a> Facts<'a> {
    pub(super) fn new(call: Call<'a>, seen: &'a Seen, memory: &'a Memory) -> Self {
        let mut words: Vec<_> = call.words().map(|(at, word)| (word, at)).collect();
        words.sort_unstable();
        let mut hashes: Vec<_> =
            seen.preimages.iter().map(|(hash, bytes)| (U256::from_be_bytes(hash.0), bytes)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let mut addresses: Vec<_> = hashes.iter().map(|(hash, bytes)| (low_160(*hash), *bytes)).collect();
        addresses.sort_unstable();
        let by_input = hashes.iter().map(|(hash, bytes)| (*bytes, *hash)).collect();
        let large = seen.loads.iter().filter(|(_, _, value)| value.bit_len() > 64).take(MAX_LOADS);
        let loads =
            large.clone().map(|(address, slot, value)| (*address, *slot, value.to_be_bytes())).collect();
        let loaded = large.map(|(address, slot, value)| ((*address, *slot), *value)).collect();
        Self {
            call,
            words,
            packed: OnceCell::new(),
            hashes,
            addresses,
            by_input,
            loads,
            searches: Cell::new(MAX_SEARCHES),
            nodes: Cell::new(0),
            loaded,
            memory,
        }
    }

    /// Where in calldata the word `value` is.
    pub(super) fn words(&self, value: U256) -> impl Iterator<Item = u16> + '_ {
        found(&self.words, value).take(MAX_WORDS)
    }

    /// Words of calldata that may count something, but not nothing.
    pub(super) fn counts(&self) -> impl Iterator<Item = (u16, U256)> + '_ {
        let from = self.words.partition_point(|(word, _)| word.is_zero());
        self.words[from..]
            .iter()
            .take_while(|(word, _)| is_small(*word))
            .map(|(word, at)| (*at, *word))
            .take(MAX_COUNTS)
    }

    /// The hash of `input`; `None` if it was not computed in an execution whose hashes were recorded.
    pub(super) fn hash(&self, input: &[u8]) -> Option<U256> {
        if self.hashes.is_empty() {
            return Some(U256::from_be_bytes(keccak256(input).0));
        }
        self.by_input.get(input).copied()
    }

    /// What was hashed to `value`, or to a little less and how much less; or what `value` is the last 160 bits of.
    pub(super) fn preimage(&self, value: U256, is_address: bool) -> Option<(&'a [u8], U256)> {
        let list = if is_address { &self.addresses } else { &self.hashes };
        let behind = list.partition_point(|(hash, _)| *hash <= value);
        let (hash, bytes) = *list.get(behind.checked_sub(1)?)?;
        let distance = value - hash;
        let limit = if is_address { 0 } else { MAX_DISTANCE_BITS };
        (distance.bit_len() <= limit).then_some((bytes, distance))
    }

    /// Where in calldata the 20 bytes of `address` are, beside whole words.
    pub(super) fn packed(&self, address: U256) -> impl Iterator<Item = u16> + '_ {
        let all = self.packed.get_or_init(|| self.call.packed_addresses());
        found(all, address).take(MAX_PACKED)
    }

    /// Whether `slot` may be a hash of something that was not recorded.
    pub(super) fn is_opaque(&self, slot: U256) -> bool {
        self.hashes.is_empty() && slot.bit_len() > 64
    }

    /// Takes one search from the budget, if there is one left.
    pub(super) fn may_search(&self) -> bool {
        take_one(&self.searches)
    }

    /// Begins an expression.
    pub(super) fn grant_nodes(&self) {
        self.nodes.set(MAX_NODES);
    }

    /// Parts left for the expression at hand.
    pub(super) fn nodes_left(&self) -> u32 {
        self.nodes.get()
    }

    /// Gives parts back that came to nothing.
    pub(super) fn restore_nodes(&self, left: u32) {
        self.nodes.set(left);
    }

    /// Takes one part from the expression at hand, if there is one left.
    pub(super) fn may_explain(&self) -> bool {
        take_one(&self.nodes)
    }

    /// Loaded slots and their values.
    pub(super) fn loads(&self) -> impl Iterator<Item = (Address, U256, &[u8; 32])> + '_ {
        self.loads.iter().map(|(address, slot, value)| (*address, *slot, value))
    }

    /// What the slot held, now or when it was last seen.
    pub(super) fn load(&self, address: Address, slot: U256) -> Option<U256> {
        self.loaded.get(&(address, slot)).copied().or_else(|| self.memory.get(address, slot))
    }
}

fn take_one(budget: &Cell<u32>) -> bool {
    let left = budget.get();
    budget.set(left.saturating_sub(1));
    left > 0
}

/// The places of `value` in a sorted list.
fn found(all: &[(U256, u16)], value: U256) -> impl Iterator<Item = u16> + '_ {
    let from = all.partition_point(|(other, _)| *other < value);
    all[from..].iter().take_while(move |(other, _)| *other == value).map(|(_, at)| *at)
}
