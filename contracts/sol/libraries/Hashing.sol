// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Types} from "./Types.sol";

/// @notice Hashes that L1, L2 and off-chain code compute alike (OP specification, "Withdrawals").
library Hashing {
    /// @return The id of a withdrawal: key of `L2ToL1MessagePasser.sentMessages`.
    function withdrawalHash(Types.WithdrawalTransaction memory w) internal pure returns (bytes32) {
        return keccak256(abi.encode(w.nonce, w.sender, w.target, w.value, w.gasLimit, w.data));
    }

    /// @return The version-0 output root that commits to these fields.
    function outputRoot(Types.OutputRootProof memory p) internal pure returns (bytes32) {
        return keccak256(abi.encode(p.version, p.stateRoot, p.messagePasserStorageRoot, p.latestBlockhash));
    }
}
