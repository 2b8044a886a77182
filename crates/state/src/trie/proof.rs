//! Proofs that a key has a value, or that it has none.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{
    Nibbles,
    nodes::{CHILD_INDEX_RANGE, RlpNode},
};

use super::{
    Source, leaf_value, missing_node,
    node::{Child, Node, branch_rlp, extension_rlp, leaf_rlp},
};
use crate::StateError;

/// RLP of the nodes from the root down to where `hashed` is, or would be, as `eth_getProof` gives them.
///
/// Fails if the stored nodes do not hash to `root`.
pub(crate) fn prove(source: &impl Source, root: B256, hashed: &B256) -> Result<Vec<Bytes>, StateError> {
    let key = Nibbles::unpack(hashed);
    let mut proof = Proof { nodes: Vec::new(), expected: RlpNode::word_rlp(&root) };
    let mut path = Nibbles::new();
    loop {
        let Some(stored) = source.node(&path)? else {
            return if path.is_empty() { Ok(proof.nodes) } else { Err(missing_node(&path)) };
        };
        let (prefix, children) = match Node::decode(&path, &stored)? {
            Node::Leaf { key } => {
                proof.push(leaf_rlp(&key, &leaf_value(source, &key)?))?;
                return Ok(proof.nodes);
            }
            Node::Branch { prefix, children } => (prefix, children),
        };
        let branch = branch_rlp(&children);
        if !prefix.is_empty() {
            proof.push(extension_rlp(&prefix, &branch))?;
            proof.expected = RlpNode::from_rlp(&branch);
        }
        let at = path.join(&prefix);
        if !key.starts_with(&at) {
            return Ok(proof.nodes);
        }
        proof.push(branch)?;
        path = key.slice(..=at.len());
        let nibble = path.last().unwrap_or(CHILD_INDEX_RANGE.start);
        match &children[usize::from(nibble)] {
            Child::Empty => return Ok(proof.nodes),
            Child::Node(rlp) => proof.expected = rlp.clone(),
            Child::Leaf { suffix, rlp } => {
                proof.expected = rlp.clone();
                proof.push(leaf_rlp(suffix, &leaf_value(source, &path.join(suffix))?))?;
                return Ok(proof.nodes);
            }
        }
    }
}

struct Proof {
    nodes: Vec<Bytes>,
    /// How the node above refers to the next one.
    expected: RlpNode,
}

impl Proof {
    /// Adds a node, unless it is so short that the one above contains it.
    fn push(&mut self, rlp: Vec<u8>) -> Result<(), StateError> {
        let is_root = self.nodes.is_empty();
        let reference = RlpNode::from_rlp(&rlp);
        let short_root = is_root && reference.as_hash().is_none();
        if reference != self.expected && !(short_root && self.expected == RlpNode::word_rlp(&keccak256(&rlp)))
        {
            return Err(StateError::Corrupted("a trie node does not have its hash".into()));
        }
        if reference.as_hash().is_some() || is_root {
            self.nodes.push(rlp.into());
        }
        Ok(())
    }
}
