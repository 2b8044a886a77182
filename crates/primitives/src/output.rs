//! Output roots (OP specification, "L2 Output Commitment Construction").

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};

/// The preimage of a version-0 output root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputRootProof {
    /// State root of the L2 block.
    pub state_root: B256,
    /// Storage root of the `L2ToL1MessagePasser`.
    pub message_passer_storage_root: B256,
    /// Hash of the L2 block.
    pub latest_block_hash: B256,
}

impl OutputRootProof {
    /// `keccak256(bytes32(0) ++ state_root ++ message_passer_storage_root ++ latest_block_hash)`.
    #[must_use]
    pub fn hash(&self) -> B256 {
        output_root(self.state_root, self.message_passer_storage_root, self.latest_block_hash)
    }
}

/// Version-0 output root of a block, from its parts. See [`OutputRootProof::hash`].
#[must_use]
pub fn output_root(state_root: B256, message_passer_storage_root: B256, block_hash: B256) -> B256 {
    const VERSION: B256 = B256::ZERO;
    let parts = [VERSION.0, state_root.0, message_passer_storage_root.0, block_hash.0];
    keccak256(parts.as_flattened())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_root_hashes_version_zero_and_the_three_parts_in_order() {
        let proof = OutputRootProof {
            state_root: B256::repeat_byte(1),
            message_passer_storage_root: B256::repeat_byte(2),
            latest_block_hash: B256::repeat_byte(3),
        };
        let mut preimage = [0u8; 128];
        preimage[32..64].fill(1);
        preimage[64..96].fill(2);
        preimage[96..].fill(3);
        assert_eq!(proof.hash(), keccak256(preimage));
    }
}
