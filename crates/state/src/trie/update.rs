//! Applying a block's changes to a trie.
//!
//! Works on sorted updates from the root down; only nodes on their paths are loaded, and each is stored again at
//! most once, after everything below it is known. Large updates are split between threads by nibble.

use alloy_primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles, nodes::RlpNode};
use rayon::prelude::*;

use super::{
    Source, leaf_value, missing_node,
    node::{Child, Node, branch_ref, leaf_rlp, root_hash},
};
use crate::StateError;

/// Below this many updates to one branch, threads cost more than they bring.
const PARALLEL_UPDATES: usize = 256;

/// A new value for a hashed key, `None` to delete it.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) key: Nibbles,
    pub(crate) value: Option<Bytes>,
}

/// A node to store at a path, `None` to delete it. Of several for one path, the last counts.
pub(crate) type Change = (Nibbles, Option<Bytes>);

/// Applies `updates`, sorted by key and without repetition, to the trie in `source`.
///
/// Returns the new root hash and what to store.
pub(crate) fn update(source: &impl Source, updates: &[Update]) -> Result<(B256, Vec<Change>), StateError> {
    let mut changes = Vec::new();
    let path = Nibbles::new();
    let root = match source.node(&path)? {
        None => Part::Empty,
        Some(stored) => take_out(&path, &stored, &mut changes)?,
    };
    let hash = match apply(source, &path, root, updates, &mut changes)? {
        Part::Empty => EMPTY_ROOT_HASH,
        part => {
            if let Part::Leaf(leaf) = &part {
                changes.push((path, Some(Node::Leaf { key: leaf.key }.encode())));
            }
            match settle(source, &path, part, &mut changes)? {
                Child::Empty => EMPTY_ROOT_HASH,
                Child::Node(rlp) | Child::Leaf { rlp, .. } => root_hash(&rlp),
            }
        }
    };
    Ok((hash, changes))
}

/// A sub-trie under construction.
#[derive(Clone, Debug, Default)]
enum Part {
    #[default]
    Empty,
    /// Unchanged, in the source.
    Stored(RlpNode),
    Leaf(Leaf),
    /// A branch of at least two, which may still get another extension above it. All below is settled, unless an
    /// update is under way.
    Branch {
        /// Path of the branch itself, below its extension.
        at: Nibbles,
        parts: Box<[Self; 16]>,
    },
}

#[derive(Clone, Debug)]
struct Leaf {
    key: Nibbles,
    /// `None` if unchanged: then it is in the source.
    value: Option<Bytes>,
    /// Its reference, if known, when its path starts at this depth.
    settled: Option<(usize, RlpNode)>,
}

/// Applies `updates` to `part`, whose path starts at `path`.
fn apply(
    source: &impl Source,
    path: &Nibbles,
    part: Part,
    updates: &[Update],
    changes: &mut Vec<Change>,
) -> Result<Part, StateError> {
    if updates.is_empty() {
        return Ok(part);
    }
    match part {
        Part::Empty => grow(source, &inserts(updates, None), changes),
        Part::Leaf(leaf) => grow(source, &inserts(updates, Some(leaf)), changes),
        Part::Stored(_) => {
            let part = load(source, path, changes)?;
            apply(source, path, part, updates, changes)
        }
        Part::Branch { at, parts } => {
            let (at, parts) = split(at, parts, updates);
            let start = updates.partition_point(|update| update.key < at);
            let updates = &updates[start..];
            let updates = &updates[..updates.partition_point(|update| update.key.starts_with(&at))];
            let parts = apply_below(source, &at, parts, updates, changes)?;
            join(source, at, parts, changes)
        }
    }
}

/// Applies `updates` to the parts of a branch, all of whose keys start with `at`.
fn apply_below(
    source: &impl Source,
    at: &Nibbles,
    mut parts: Box<[Part; 16]>,
    updates: &[Update],
    changes: &mut Vec<Change>,
) -> Result<Box<[Part; 16]>, StateError> {
    let groups = updates.chunk_by(|a, b| a.key.get(at.len()) == b.key.get(at.len()));
    let work = groups.map(|group| {
        let nibble = group[0].key.get_unchecked(at.len());
        (nibble, std::mem::take(&mut parts[usize::from(nibble)]), group)
    });
    let one = |(nibble, part, group): (u8, Part, &[Update])| {
        let mut below = Vec::new();
        let part = apply(source, &child_path(at, nibble), part, group, &mut below)?;
        Ok::<_, StateError>((nibble, part, below))
    };
    let done: Vec<_> = if updates.len() < PARALLEL_UPDATES {
        work.map(one).collect::<Result<_, _>>()?
    } else {
        work.collect::<Vec<_>>().into_par_iter().map(one).collect::<Result<_, _>>()?
    };
    for (nibble, part, below) in done {
        parts[usize::from(nibble)] = part;
        changes.extend(below);
    }
    Ok(parts)
}

/// If an insertion leaves the extension above a branch, puts a branch at that point; else returns the branch.
fn split(at: Nibbles, parts: Box<[Part; 16]>, updates: &[Update]) -> (Nibbles, Box<[Part; 16]>) {
    let inserted = updates.iter().filter(|update| update.value.is_some());
    let common = inserted.map(|update| at.common_prefix_length(&update.key)).min();
    match common {
        Some(common) if common < at.len() => {
            let mut above = Box::<[Part; 16]>::default();
            above[usize::from(at.get_unchecked(common))] = Part::Branch { at, parts };
            (at.slice(..common), above)
        }
        _ => (at, parts),
    }
}

/// The sub-trie of `leaves`, which are sorted.
fn grow(source: &impl Source, leaves: &[Leaf], changes: &mut Vec<Change>) -> Result<Part, StateError> {
    let (first, last) = match leaves {
        [] => return Ok(Part::Empty),
        [leaf] => return Ok(Part::Leaf(leaf.clone())),
        [first, .., last] => (first, last),
    };
    let at = first.key.slice(..first.key.common_prefix_length(&last.key));
    let mut parts = Box::<[Part; 16]>::default();
    for group in leaves.chunk_by(|a, b| a.key.get(at.len()) == b.key.get(at.len())) {
        let nibble = group[0].key.get_unchecked(at.len());
        parts[usize::from(nibble)] = grow(source, group, changes)?;
    }
    join(source, at, parts, changes)
}

/// The leaves that remain of `leaf` after `updates`, in order.
fn inserts(updates: &[Update], leaf: Option<Leaf>) -> Vec<Leaf> {
    let leaf = leaf.filter(|leaf| updates.binary_search_by(|update| update.key.cmp(&leaf.key)).is_err());
    let inserted = updates.iter().filter(|update| update.value.is_some());
    let inserted =
        inserted.map(|update| Leaf { key: update.key, value: update.value.clone(), settled: None });
    let mut leaves: Vec<Leaf> = inserted.collect();
    if let Some(leaf) = leaf {
        leaves.insert(leaves.partition_point(|other| other.key < leaf.key), leaf);
    }
    leaves
}

/// Makes a branch of `parts` and settles them, or returns the only one, or nothing.
fn join(
    source: &impl Source,
    at: Nibbles,
    mut parts: Box<[Part; 16]>,
    changes: &mut Vec<Change>,
) -> Result<Part, StateError> {
    let mut used = (0u8..16).filter(|nibble| !matches!(parts[usize::from(*nibble)], Part::Empty));
    let (Some(first), second) = (used.next(), used.next()) else { return Ok(Part::Empty) };
    if second.is_none() {
        return match std::mem::take(&mut parts[usize::from(first)]) {
            Part::Stored(_) => load(source, &child_path(&at, first), changes),
            part => Ok(part),
        };
    }
    for nibble in 0u8..16 {
        let part = &mut parts[usize::from(nibble)];
        let path = child_path(&at, nibble);
        *part = match settle(source, &path, std::mem::take(part), changes)? {
            Child::Empty => Part::Empty,
            Child::Node(rlp) => Part::Stored(rlp),
            Child::Leaf { suffix, rlp } => {
                Part::Leaf(Leaf { key: path.join(&suffix), value: None, settled: Some((path.len(), rlp)) })
            }
        };
    }
    Ok(Part::Branch { at, parts })
}

/// Fixes the path of `part` to start at `path`: stores it there if it changed, and hashes it.
fn settle(
    source: &impl Source,
    path: &Nibbles,
    part: Part,
    changes: &mut Vec<Change>,
) -> Result<Child, StateError> {
    Ok(match part {
        Part::Empty => Child::Empty,
        Part::Stored(rlp) => Child::Node(rlp),
        Part::Leaf(leaf) => {
            let suffix = leaf.key.slice(path.len()..);
            let rlp = match leaf.settled {
                Some((depth, rlp)) if depth == path.len() => rlp,
                _ => {
                    let value = leaf.value.map_or_else(|| leaf_value(source, &leaf.key), Ok)?;
                    RlpNode::from_rlp(&leaf_rlp(&suffix, &value))
                }
            };
            Child::Leaf { suffix, rlp }
        }
        Part::Branch { at, parts } => {
            let children = Box::new(parts.map(|part| settled(part, at.len() + 1)));
            let prefix = at.slice(path.len()..);
            let rlp = branch_ref(&prefix, &children);
            changes.push((*path, Some(Node::Branch { prefix, children }.encode())));
            Child::Node(rlp)
        }
    })
}

/// The child that a settled part of a branch is; `depth` is where its path starts.
fn settled(part: Part, depth: usize) -> Child {
    match part {
        Part::Stored(rlp) => Child::Node(rlp),
        Part::Leaf(Leaf { key, settled: Some((_, rlp)), .. }) => {
            Child::Leaf { suffix: key.slice(depth..), rlp }
        }
        Part::Empty | Part::Leaf(_) | Part::Branch { .. } => Child::Empty,
    }
}

/// Takes the node stored at `path` out, to be stored again where it ends up.
fn load(source: &impl Source, path: &Nibbles, changes: &mut Vec<Change>) -> Result<Part, StateError> {
    let stored = source.node(path)?;
    take_out(path, &stored.ok_or_else(|| missing_node(path))?, changes)
}

fn take_out(path: &Nibbles, stored: &[u8], changes: &mut Vec<Change>) -> Result<Part, StateError> {
    changes.push((*path, None));
    Ok(match Node::decode(path, stored)? {
        Node::Leaf { key } => Part::Leaf(Leaf { key, value: None, settled: None }),
        Node::Branch { prefix, children } => {
            let at = path.join(&prefix);
            let mut nibbles = 0u8..16;
            let parts = children.map(|child| {
                let start = child_path(&at, nibbles.next().unwrap_or_default());
                match child {
                    Child::Empty => Part::Empty,
                    Child::Node(rlp) => Part::Stored(rlp),
                    Child::Leaf { suffix, rlp } => Part::Leaf(Leaf {
                        key: start.join(&suffix),
                        value: None,
                        settled: Some((start.len(), rlp)),
                    }),
                }
            });
            Part::Branch { at, parts: Box::new(parts) }
        }
    })
}

fn child_path(at: &Nibbles, nibble: u8) -> Nibbles {
    let mut path = *at;
    path.push(nibble);
    path
}
