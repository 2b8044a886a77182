//! Trie nodes, their stored form and their hashes.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};

use crate::StateError;

const LEAF: u8 = 0;
const BRANCH: u8 = 1;
const KEY_NIBBLES: usize = 64;

/// A stored node. An extension and the branch below it are one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// The only leaf of its trie; other leaves are kept in their parent.
    Leaf {
        /// The hashed key.
        key: Nibbles,
    },
    /// A branch, below an extension unless `prefix` is empty.
    Branch {
        /// Nibbles of the extension.
        prefix: Nibbles,
        /// What is below each nibble.
        children: Box<[Child; 16]>,
    },
}

/// What a branch has below one nibble.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Child {
    /// Nothing.
    #[default]
    Empty,
    /// A stored node, by its hash, or by its RLP if that is shorter.
    Node(RlpNode),
    /// A leaf.
    Leaf {
        /// The rest of the hashed key.
        suffix: Nibbles,
        /// Hash or short RLP of the leaf node.
        rlp: RlpNode,
    },
}

impl Child {
    pub(crate) const fn rlp(&self) -> Option<&RlpNode> {
        match self {
            Self::Empty => None,
            Self::Node(rlp) | Self::Leaf { rlp, .. } => Some(rlp),
        }
    }
}

impl Node {
    /// The stored form of this node.
    ///
    /// `0 ++ key [32]`, or
    /// `1 ++ prefix length [1] ++ packed prefix ++ mask of children [u16 BE] ++ mask of leaves [u16 BE]` and for each
    /// child `rlp length [1] ++ rlp`, and if it is a leaf then `packed suffix`.
    pub(crate) fn encode(&self) -> Bytes {
        let (prefix, children) = match self {
            Self::Leaf { key } => return [&[LEAF], &key.pack()[..]].concat().into(),
            Self::Branch { prefix, children } => (prefix, children),
        };
        let mut out = Vec::with_capacity(640);
        out.push(BRANCH);
        out.push(u8::try_from(prefix.len()).expect("paths have at most 64 nibbles"));
        out.extend_from_slice(&prefix.pack());
        out.extend_from_slice(&mask(children, |child| *child != Child::Empty).to_be_bytes());
        out.extend_from_slice(&mask(children, |child| matches!(child, Child::Leaf { .. })).to_be_bytes());
        for child in &**children {
            let Some(rlp) = child.rlp() else { continue };
            out.push(u8::try_from(rlp.len()).expect("at most 33 bytes"));
            out.extend_from_slice(rlp);
            if let Child::Leaf { suffix, .. } = child {
                out.extend_from_slice(&suffix.pack());
            }
        }
        out.into_boxed_slice().into() // values are kept in memory: no spare capacity
    }

    /// Reads what [`Self::encode`] wrote for a node whose path starts at `path`.
    pub(crate) fn decode(path: &Nibbles, stored: &[u8]) -> Result<Self, StateError> {
        decode(path, stored).ok_or_else(|| StateError::Corrupted(format!("bad trie node at {path:?}")))
    }
}

fn decode(path: &Nibbles, mut input: &[u8]) -> Option<Node> {
    let input = &mut input;
    let [tag] = *take::<1>(input)?;
    let node = match tag {
        LEAF if path.is_empty() => Node::Leaf { key: nibbles(input, KEY_NIBBLES)? },
        BRANCH => {
            let [prefix_nibbles] = *take::<1>(input)?;
            let suffix_nibbles = KEY_NIBBLES.checked_sub(path.len() + usize::from(prefix_nibbles) + 1)?;
            let prefix = nibbles(input, usize::from(prefix_nibbles))?;
            let used = u16::from_be_bytes(*take(input)?);
            let leaves = u16::from_be_bytes(*take(input)?);
            let mut children = Box::<[Child; 16]>::default();
            for (index, child) in children.iter_mut().enumerate().filter(|(i, _)| (used >> i) & 1 == 1) {
                let [rlp_bytes] = *take::<1>(input)?;
                let rlp = RlpNode::from_raw(input.split_off(..usize::from(rlp_bytes))?)?;
                *child = if (leaves >> index) & 1 == 1 {
                    Child::Leaf { suffix: nibbles(input, suffix_nibbles)?, rlp }
                } else {
                    Child::Node(rlp)
                };
            }
            Node::Branch { prefix, children }
        }
        _ => return None,
    };
    input.is_empty().then_some(node)
}

fn take<'a, const N: usize>(input: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (chunk, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(chunk)
}

fn nibbles(input: &mut &[u8], length: usize) -> Option<Nibbles> {
    let mut nibbles = Nibbles::unpack(input.split_off(..length.div_ceil(2))?);
    nibbles.truncate(length);
    Some(nibbles)
}

fn mask(children: &[Child; 16], has: impl Fn(&Child) -> bool) -> u16 {
    children.iter().rev().fold(0, |mask, child| (mask << 1) | u16::from(has(child)))
}

/// RLP of a leaf.
pub(crate) fn leaf_rlp(suffix: &Nibbles, value: &[u8]) -> Vec<u8> {
    let mut rlp = Vec::with_capacity(160);
    LeafNodeRef::new(suffix, value).encode(&mut rlp);
    rlp
}

/// RLP of a branch alone.
pub(crate) fn branch_rlp(children: &[Child; 16]) -> Vec<u8> {
    let stack: Vec<RlpNode> = children.iter().filter_map(Child::rlp).cloned().collect();
    let mask = TrieMask::new(mask(children, |child| *child != Child::Empty));
    let mut rlp = Vec::with_capacity(544);
    BranchNodeRef::new(&stack, mask).encode(&mut rlp);
    rlp
}

/// RLP of an extension above a branch with the given RLP.
pub(crate) fn extension_rlp(prefix: &Nibbles, branch: &[u8]) -> Vec<u8> {
    let mut rlp = Vec::with_capacity(80);
    ExtensionNodeRef::new(prefix, &RlpNode::from_rlp(branch)).encode(&mut rlp);
    rlp
}

/// How the parent of a branch with this prefix refers to it.
pub(crate) fn branch_ref(prefix: &Nibbles, children: &[Child; 16]) -> RlpNode {
    let branch = branch_rlp(children);
    if prefix.is_empty() {
        RlpNode::from_rlp(&branch)
    } else {
        RlpNode::from_rlp(&extension_rlp(prefix, &branch))
    }
}

/// The root hash, given how a parent would refer to the root.
pub(crate) fn root_hash(root: &RlpNode) -> B256 {
    root.as_hash().unwrap_or_else(|| keccak256(root))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn branch() -> Node {
        let mut children = Box::<[Child; 16]>::default();
        children[0] = Child::Node(RlpNode::word_rlp(&B256::repeat_byte(1)));
        let suffix = Nibbles::unpack(B256::repeat_byte(0xab)).slice(4..);
        children[15] = Child::Leaf { suffix, rlp: RlpNode::from_rlp(&[0xc0]) };
        Node::Branch { prefix: Nibbles::from_nibbles([1, 2]), children }
    }

    #[test]
    fn decode_undoes_encode() {
        let path = Nibbles::from_nibbles([9]);
        assert_eq!(Node::decode(&path, &branch().encode()).unwrap(), branch());
        let leaf = Node::Leaf { key: Nibbles::unpack(B256::repeat_byte(3)) };
        assert_eq!(Node::decode(&Nibbles::new(), &leaf.encode()).unwrap(), leaf);
    }

    #[test]
    fn damaged_nodes_are_refused_without_panic() {
        let path = Nibbles::from_nibbles([9]);
        let whole = branch().encode();
        for length in 0..whole.len() {
            assert!(Node::decode(&path, &whole[..length]).is_err());
        }
        assert!(Node::decode(&path, &[&whole[..], &[0]].concat()).is_err());
        for index in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.to_vec();
                damaged[index] = byte;
                let _ = Node::decode(&path, &damaged);
            }
        }
        assert!(Node::decode(&Nibbles::unpack(B256::ZERO), &whole).is_err());
    }
}
