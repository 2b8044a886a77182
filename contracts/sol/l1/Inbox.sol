// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "./interfaces/IInbox.sol";
import {ISystemConfig} from "./interfaces/ISystemConfig.sol";

/// @title Inbox
contract Inbox is IInbox {
    uint8 private constant CALLDATA = 0;
    uint8 private constant BLOBS = 1;
    /// @dev Low bits of `batchTip`: the number of batches.
    uint256 private constant COUNT_MASK = type(uint48).max;

    /// @inheritdoc IInbox
    address public immutable portal;
    /// @inheritdoc IInbox
    address public immutable systemConfig;

    /// @inheritdoc IInbox
    bytes32 public batchTip;
    /// @inheritdoc IInbox
    bytes32 public depositAccumulator;
    /// @inheritdoc IInbox
    address public batcher;
    /// @inheritdoc IInbox
    uint64 public depositCount; // shares the batcher's slot, which each batch reads anyway

    /// @param portal_ The portal that records deposits.
    /// @param systemConfig_ The contract whose owner chooses the batcher.
    /// @param batcher_ The account that posts.
    constructor(address portal_, address systemConfig_, address batcher_) {
        portal = portal_;
        systemConfig = systemConfig_;
        batcher = batcher_;
        emit BatcherSet(batcher_);
    }

    /// @inheritdoc IInbox
    function appendBatch(bytes calldata data) external {
        if (data.length == 0) revert Inbox_Empty();
        _append(keccak256(data), CALLDATA);
    }

    /// @inheritdoc IInbox
    function appendBlobs() external {
        uint256 count;
        bytes32 commitment;
        assembly ("memory-safe") {
            let start := mload(0x40)
            for {} 1 { count := add(count, 1) } {
                let versionedHash := blobhash(count)
                if iszero(versionedHash) { break }
                mstore(add(start, shl(5, count)), versionedHash)
            }
            commitment := keccak256(start, shl(5, count))
        }
        if (count == 0) revert Inbox_Empty();
        _append(commitment, BLOBS);
    }

    /// @inheritdoc IInbox
    function setBatcher(address batcher_) external {
        if (msg.sender != ISystemConfig(systemConfig).owner()) revert Inbox_NotOwner(msg.sender);
        batcher = batcher_;
        emit BatcherSet(batcher_);
    }

    /// @inheritdoc IInbox
    function recordDeposit(bytes32 depositHash) external {
        if (msg.sender != portal) revert Inbox_NotPortal(msg.sender);
        depositAccumulator = keccak256(abi.encode(depositAccumulator, depositHash));
        ++depositCount;
    }

    /// @inheritdoc IInbox
    function batchCount() external view returns (uint256) {
        return uint256(batchTip) & COUNT_MASK;
    }

    function _append(bytes32 commitment, uint8 daType) private {
        (address poster, uint64 deposits) = (batcher, depositCount);
        if (msg.sender != poster) revert Inbox_NotBatcher(msg.sender);
        // Nobody but an account without code makes the transaction's input and blobs those of exactly one batch.
        if (msg.sender != tx.origin || msg.sender.code.length != 0) revert Inbox_NotDirect();
        uint256 tip = uint256(batchTip);
        uint256 index = tip & COUNT_MASK;
        // The hash's preimage. The event's data are the first six words, with the hash in place of the tip.
        bytes32[9] memory words = [
            bytes32(tip),
            commitment,
            bytes32(uint256(daType)),
            depositAccumulator,
            bytes32(uint256(deposits)),
            bytes32(uint256(uint160(poster))),
            bytes32(block.number),
            bytes32(block.timestamp),
            blockhash(block.number - 1)
        ];
        bytes32 hash;
        assembly ("memory-safe") {
            hash := keccak256(words, 288)
        }
        batchTip = bytes32((uint256(hash) & ~COUNT_MASK) | (index + 1));
        words[0] = hash;
        bytes32 topic = BatchAppended.selector;
        assembly ("memory-safe") {
            log2(words, 192, topic, index)
        }
    }
}
