// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Predeploys} from "../libraries/Predeploys.sol";
import {IL1Block} from "./interfaces/IL1Block.sol";

/// @title L1Block
/// @dev Execution reads slots 1, 3, 7 and 8 directly: their layout is OP's and must not change.
contract L1Block is IL1Block {
    /// @inheritdoc IL1Block
    uint64 public number; // slot 0, byte 0
    /// @inheritdoc IL1Block
    uint64 public timestamp; // slot 0, byte 8
    /// @inheritdoc IL1Block
    uint256 public basefee; // slot 1
    /// @inheritdoc IL1Block
    bytes32 public hash; // slot 2
    /// @inheritdoc IL1Block
    uint64 public sequenceNumber; // slot 3, byte 0
    /// @inheritdoc IL1Block
    uint32 public blobBaseFeeScalar; // slot 3, byte 8
    /// @inheritdoc IL1Block
    uint32 public baseFeeScalar; // slot 3, byte 12
    /// @inheritdoc IL1Block
    bytes32 public batcherHash; // slot 4
    /// @inheritdoc IL1Block
    uint256 public l1FeeOverhead; // slot 5
    /// @inheritdoc IL1Block
    uint256 public l1FeeScalar; // slot 6
    /// @inheritdoc IL1Block
    uint256 public blobBaseFee; // slot 7
    /// @inheritdoc IL1Block
    uint64 public operatorFeeConstant; // slot 8, byte 0
    /// @inheritdoc IL1Block
    uint32 public operatorFeeScalar; // slot 8, byte 8
    /// @inheritdoc IL1Block
    uint16 public daFootprintGasScalar; // slot 8, byte 12

    /// @inheritdoc IL1Block
    function setL1BlockValuesJovian() external {
        if (msg.sender != Predeploys.L1_ATTRIBUTES_DEPOSITOR) revert NotDepositor();
        assembly {
            // baseFeeScalar ++ blobBaseFeeScalar ++ sequenceNumber, already in the slot's order.
            sstore(sequenceNumber.slot, shr(128, calldataload(4)))
            // timestamp ++ number.
            sstore(number.slot, shr(128, calldataload(20)))
            sstore(basefee.slot, calldataload(36))
            sstore(blobBaseFee.slot, calldataload(68))
            sstore(hash.slot, calldataload(100))
            sstore(batcherHash.slot, calldataload(132))
            // daFootprintGasScalar before operatorFeeScalar ++ operatorFeeConstant.
            sstore(
                operatorFeeConstant.slot,
                or(shl(96, shr(240, calldataload(176))), shr(160, calldataload(164)))
            )
        }
    }

    /// @inheritdoc IL1Block
    function DEPOSITOR_ACCOUNT() external pure returns (address) {
        return Predeploys.L1_ATTRIBUTES_DEPOSITOR;
    }

    /// @inheritdoc IL1Block
    function gasPayingTokenName() external pure returns (string memory) {
        return "Ether";
    }

    /// @inheritdoc IL1Block
    function gasPayingTokenSymbol() external pure returns (string memory) {
        return "ETH";
    }

    /// @inheritdoc IL1Block
    function isCustomGasToken() external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IL1Block
    function version() external pure returns (string memory) {
        return "1.8.0";
    }
}
