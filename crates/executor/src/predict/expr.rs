//! What addresses and slots are made of: arguments of the call, constants, hashes of those.
//!
//! One execution leaves it open what a value is: a calldata word may equal the caller by chance. So an expression keeps
//! every explanation that fits all executions seen so far, the likeliest first, and each execution strikes some out.

use alloy_primitives::{Address, U256};
use smallvec::SmallVec;

use super::facts::{Call, Facts};

/// Explanations kept for one value.
const MAX_CANDIDATES: usize = 24;
/// Hashes inside hashes and loads inside loads: `keccak(key ‖ keccak(key ‖ … slot))`.
const MAX_DEPTH: usize = 6;
/// Loads inside loads.
const MAX_LOAD_DEPTH: usize = 3;
/// Slots that one value may come from.
const MAX_LOADED: usize = 2;
/// Array elements wider than this are not recognised, in slots.
const MAX_ELEMENT_SLOTS: u64 = 4;

/// Something that is known before the call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Atom {
    /// The sender.
    Caller,
    /// The called account, or the created one.
    Callee,
    /// Wei sent along.
    Value,
    /// The 32 bytes of calldata from here.
    Word(u16),
    /// The 20 bytes of calldata from here.
    Packed(u16),
    /// The smaller of two addresses in calldata, given where their 20 bytes begin.
    Lesser(u16, u16),
    /// The greater one.
    Greater(u16, u16),
    /// Always the same.
    Constant(U256),
    /// `base + factor * word`: an array with its elements in a row.
    Element { word: u16, factor: u64, base: U256 },
    /// `word >> bits`: several elements in a slot.
    Shifted { word: u16, bits: u8 },
    /// What a slot held when it was last seen.
    Loaded(Box<Loaded>),
}

/// A field of a slot's value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Loaded {
    pub(super) address: Expr,
    pub(super) slot: Expr,
    pub(super) field: Field,
}

/// Which bits of a slot's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    /// All.
    Whole,
    /// 160 from this bit on.
    Address(u8),
}

impl Field {
    pub(super) fn of(self, value: U256) -> U256 {
        match self {
            Self::Whole => value,
            Self::Address(bit) => low_160(value >> bit),
        }
    }
}

/// How a value comes about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Expr {
    /// Each of these fits so far; the first is taken.
    Leaf(SmallVec<[Atom; 2]>),
    /// `keccak(parts) + offset`, of which addresses keep 160 bits.
    Hash { parts: Vec<Part>, offset: Box<Self>, is_address: bool },
}

/// A piece of what is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// 32 bytes.
    Word(Expr),
    /// 20 bytes.
    Address(Expr),
    /// Always the same bytes.
    Bytes(Vec<u8>),
}

/// Where a value stands, which says what is likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A slot, or the last word of what is hashed: the number of a variable.
    Variable,
    /// The distance from a hash: member of a struct, or index.
    Offset,
    /// An account, or a word that is hashed with others: an argument.
    Key,
}

pub(super) fn low_160(value: U256) -> U256 {
    value & (U256::MAX >> 96)
}

pub(super) fn address_value(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// A number that code counts with, rather than a hash, an address or an amount.
pub(super) fn is_small(value: U256) -> bool {
    value.bit_len() <= 32
}

pub(super) fn may_be_address(value: U256) -> bool {
    (80..=160).contains(&value.bit_len())
}

impl Atom {
    fn weight(&self) -> usize {
        match self {
            Self::Loaded(loaded) => 1 + loaded.address.weight() + loaded.slot.weight(),
            _ => 1,
        }
    }

    fn value(&self, facts: &Facts<'_>) -> Option<U256> {
        match self {
            Self::Loaded(loaded) => {
                let address = Address::from_word(low_160(loaded.address.value(facts)?).into());
                facts.load(address, loaded.slot.value(facts)?).map(|value| loaded.field.of(value))
            }
            other => other.given(&facts.call),
        }
    }

    /// The value, if the call alone gives it.
    pub(super) fn given(&self, call: &Call<'_>) -> Option<U256> {
        match self {
            Self::Caller => Some(address_value(call.caller)),
            Self::Callee => Some(address_value(call.callee)),
            Self::Value => Some(call.value),
            Self::Word(at) => call.word(*at),
            Self::Packed(at) => call.packed(*at),
            Self::Lesser(a, b) => Some(call.packed(*a)?.min(call.packed(*b)?)),
            Self::Greater(a, b) => Some(call.packed(*a)?.max(call.packed(*b)?)),
            Self::Constant(value) => Some(*value),
            Self::Element { word, factor, base } => {
                Some(base.wrapping_add(call.word(*word)?.wrapping_mul(U256::from(*factor))))
            }
            Self::Shifted { word, bits } => Some(call.word(*word)? >> *bits),
            Self::Loaded(_) => None,
        }
    }
}

impl Expr {
    /// Everything that explains `value` in `facts`.
    pub(super) fn explain(facts: &Facts<'_>, value: U256, place: Place) -> Self {
        facts.grant_nodes();
        let expr = explain(facts, value, place, 0);
        // A part of an explanation explains nothing.
        if facts.may_explain() { expr } else { Self::Leaf(SmallVec::from_iter([Atom::Constant(value)])) }
    }

    /// What is left of `self` if it was `value` in `facts`; `None` if it cannot have been.
    pub(super) fn narrowed(&self, facts: &Facts<'_>, value: U256) -> Option<Self> {
        match self {
            Self::Leaf(atoms) => {
                let left: SmallVec<_> =
                    atoms.iter().filter(|atom| atom.value(facts) == Some(value)).cloned().collect();
                (!left.is_empty()).then_some(Self::Leaf(left))
            }
            Self::Hash { parts, offset, is_address } => {
                let (bytes, distance) = facts.preimage(value, *is_address)?;
                let parts = narrowed_parts(parts, facts, bytes)?;
                let offset = Box::new(offset.narrowed(facts, distance)?);
                Some(Self::Hash { parts, offset, is_address: *is_address })
            }
        }
    }

    /// Whether it is a hash or an address that nothing explains.
    pub(super) fn is_unexplained(&self) -> bool {
        matches!(self, Self::Leaf(atoms) if matches!(atoms.first(), Some(Atom::Constant(value)) if !is_small(*value)))
    }

    /// Explanations in it.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Leaf(atoms) => atoms.iter().map(Atom::weight).sum(),
            Self::Hash { parts, offset, .. } => {
                let parts = parts.iter().map(|part| match part {
                    Part::Word(inner) | Part::Address(inner) => inner.weight(),
                    Part::Bytes(bytes) => 1 + bytes.len() / 64,
                });
                1 + offset.weight() + parts.sum::<usize>()
            }
        }
    }

    /// The value, by the likeliest explanation.
    pub(super) fn value(&self, facts: &Facts<'_>) -> Option<U256> {
        match self {
            Self::Leaf(atoms) => atoms.first()?.value(facts),
            Self::Hash { parts, offset, is_address } => {
                let mut bytes = SmallVec::<[u8; 128]>::new();
                for part in parts {
                    match part {
                        Part::Word(word) => bytes.extend_from_slice(&word.value(facts)?.to_be_bytes::<32>()),
                        Part::Address(address) => {
                            bytes.extend_from_slice(&address.value(facts)?.to_be_bytes::<32>()[12..]);
                        }
                        Part::Bytes(fixed) => bytes.extend_from_slice(fixed),
                    }
                }
                let hash = facts.hash(&bytes)?.wrapping_add(offset.value(facts)?);
                Some(if *is_address { low_160(hash) } else { hash })
            }
        }
    }
}

fn narrowed_parts(parts: &[Part], facts: &Facts<'_>, bytes: &[u8]) -> Option<Vec<Part>> {
    let mut rest = bytes;
    let mut window = |length: usize| rest.split_off(..length);
    let narrowed = parts
        .iter()
        .map(|part| match part {
            Part::Word(word) => Some(Part::Word(word.narrowed(facts, U256::from_be_slice(window(32)?))?)),
            Part::Address(address) => {
                Some(Part::Address(address.narrowed(facts, U256::from_be_slice(window(20)?))?))
            }
            Part::Bytes(fixed) => (window(fixed.len())? == fixed).then(|| part.clone()),
        })
        .collect::<Option<_>>()?;
    rest.is_empty().then_some(narrowed)
}

fn explain(facts: &Facts<'_>, value: U256, place: Place, depth: usize) -> Expr {
    if !facts.may_explain() {
        return Expr::Leaf(SmallVec::from_iter([Atom::Constant(value)]));
    }
    let mut atoms = arguments(facts, value);
    if is_small(value) {
        count(facts, value, place, &mut atoms);
        return Expr::Leaf(atoms);
    }
    if atoms.is_empty() && depth < MAX_DEPTH {
        let found = facts.preimage(value, false).map(|found| (found, false));
        let found = found.or_else(|| facts.preimage(value, true).map(|found| (found, true)));
        if let Some(((bytes, distance), is_address)) = found {
            return Expr::Hash {
                parts: explain_parts(facts, bytes, depth + 1),
                offset: Box::new(explain(facts, distance, Place::Offset, depth + 1)),
                is_address,
            };
        }
    }
    if atoms.is_empty() && depth <= MAX_LOAD_DEPTH && facts.may_search() {
        atoms.extend(loads(facts, value, depth).map(|loaded| Atom::Loaded(Box::new(loaded))));
    }
    atoms.push(Atom::Constant(value));
    if place == Place::Variable {
        atoms.extend(elements(facts, value));
    }
    atoms.truncate(MAX_CANDIDATES);
    Expr::Leaf(atoms)
}

/// What of the call is `value`, the likeliest first.
fn arguments(facts: &Facts<'_>, value: U256) -> SmallVec<[Atom; 2]> {
    let call = &facts.call;
    let mut atoms = SmallVec::<[Atom; 2]>::new();
    if value == address_value(call.caller) {
        atoms.push(Atom::Caller);
    }
    if value == address_value(call.callee) {
        atoms.push(Atom::Callee);
    }
    atoms.extend(facts.words(value).map(Atom::Word));
    if may_be_address(value) {
        atoms.extend(facts.packed(value).map(Atom::Packed));
    }
    if value == call.value && !value.is_zero() {
        atoms.push(Atom::Value);
    }
    atoms
}

/// Adds what a small number may be: the number of a variable, an index, or a part of one.
fn count(facts: &Facts<'_>, value: U256, place: Place, atoms: &mut SmallVec<[Atom; 2]>) {
    if value.is_zero() || place != Place::Key {
        atoms.insert(0, Atom::Constant(value));
    } else {
        atoms.push(Atom::Constant(value));
    }
    if place == Place::Key {
        atoms.extend(shifts(facts, value));
    } else {
        atoms.extend(elements(facts, value));
    }
    atoms.truncate(MAX_CANDIDATES);
}

/// Slots that held `value`.
fn loads<'a>(facts: &'a Facts<'_>, value: U256, depth: usize) -> impl Iterator<Item = Loaded> + 'a {
    let bytes = value.to_be_bytes::<32>();
    let is_address = may_be_address(value);
    let field = move |loaded: &[u8; 32]| {
        if *loaded == bytes {
            return Some(Field::Whole);
        }
        let at = loaded.windows(20).position(|window| is_address && window == &bytes[12..])?;
        Some(Field::Address(u8::try_from(96 - 8 * at).expect("at most 96")))
    };
    let loads = facts.loads().filter_map(move |(account, slot, loaded)| {
        Some(Loaded {
            field: field(loaded)?,
            address: explain(facts, address_value(account), Place::Key, depth + 2),
            slot: explain(facts, slot, Place::Variable, depth + 2),
        })
    });
    loads.take(MAX_LOADED)
}

fn elements<'a>(facts: &'a Facts<'_>, value: U256) -> impl Iterator<Item = Atom> + 'a {
    facts.counts().flat_map(move |(at, word)| {
        (1..=MAX_ELEMENT_SLOTS).filter_map(move |factor| {
            let base = value.checked_sub(word * U256::from(factor))?;
            (factor > 1 || !base.is_zero()).then_some(Atom::Element { word: at, factor, base })
        })
    })
}

fn shifts<'a>(facts: &'a Facts<'_>, value: U256) -> impl Iterator<Item = Atom> + 'a {
    facts.counts().flat_map(move |(at, word)| {
        let bits = (1..=8_u8).filter(move |bits| word >> *bits == value);
        bits.map(move |bits| Atom::Shifted { word: at, bits })
    })
}

/// Cuts what was hashed into words, addresses and bytes that mean nothing to us.
fn explain_parts(facts: &Facts<'_>, bytes: &[u8], depth: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    if bytes.len().is_multiple_of(32) {
        let last = (bytes.len() / 32).saturating_sub(1);
        for (index, word) in bytes.chunks_exact(32).enumerate() {
            let place = if index == last { Place::Variable } else { Place::Key };
            parts.push(Part::Word(explain(facts, U256::from_be_slice(word), place, depth)));
        }
    } else {
        explain_packed(facts, bytes, depth, &mut parts);
    }
    sort_pairs(&facts.call, &mut parts);
    parts
}

/// As `abi.encodePacked` makes them: nothing is aligned, so only what is recognised is cut out.
fn explain_packed(facts: &Facts<'_>, mut bytes: &[u8], depth: usize, parts: &mut Vec<Part>) {
    while let Some((first, rest)) = bytes.split_first() {
        if let Some((word, after)) = bytes.split_first_chunk::<32>()
            && let Some(word) = recognised(facts, U256::from_be_bytes(*word), depth)
        {
            parts.push(Part::Word(word));
            bytes = after;
        } else if let Some((address, after)) = bytes.split_first_chunk::<20>()
            && let Some(address) = recognised(facts, U256::from_be_slice(address), depth)
        {
            parts.push(Part::Address(address));
            bytes = after;
        } else {
            match parts.last_mut() {
                Some(Part::Bytes(fixed)) => fixed.push(*first),
                _ => parts.push(Part::Bytes(vec![*first])),
            }
            bytes = rest;
        }
    }
}

/// An explanation that is more than a constant.
fn recognised(facts: &Facts<'_>, value: U256, depth: usize) -> Option<Expr> {
    if value.bit_len() < 80 {
        return None;
    }
    let left = facts.nodes_left();
    let expr = explain(facts, value, Place::Key, depth);
    if expr.is_unexplained() {
        facts.restore_nodes(left);
        return None;
    }
    Some(expr)
}

/// Two addresses from calldata that stand in order are probably sorted: token pairs.
fn sort_pairs(call: &Call<'_>, parts: &mut [Part]) {
    for index in 1..parts.len() {
        let [first, second] = &mut parts[index - 1..=index] else { continue };
        let (Some(first), Some(second)) = (first.candidates(), second.candidates()) else { continue };
        let starts = |atoms: &[Atom]| atoms.iter().find_map(Atom::packed_start);
        let (Some(a), Some(b)) = (starts(first), starts(second)) else { continue };
        if let (Some(lesser), Some(greater)) = (call.packed(a), call.packed(b))
            && lesser < greater
            && may_be_address(lesser)
            && may_be_address(greater)
        {
            let (a, b) = (a.min(b), a.max(b));
            first.insert(0, Atom::Lesser(a, b));
            second.insert(0, Atom::Greater(a, b));
        }
    }
}

impl Part {
    fn candidates(&mut self) -> Option<&mut SmallVec<[Atom; 2]>> {
        match self {
            Self::Word(Expr::Leaf(atoms)) | Self::Address(Expr::Leaf(atoms)) => Some(atoms),
            _ => None,
        }
    }
}

impl Atom {
    /// Where in calldata the 20 bytes of an address begin.
    fn packed_start(&self) -> Option<u16> {
        match self {
            Self::Word(at) => at.checked_add(12),
            Self::Packed(at) => Some(*at),
            _ => None,
        }
    }
}
