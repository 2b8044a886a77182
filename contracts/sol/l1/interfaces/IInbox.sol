// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Inbox
/// @notice Fixes on L1, in one order, every batch that L2 is derived from.
/// @dev Trust: the batcher decides what is posted and when, nothing else; deposits are included without it. The
///      contract holds no funds and is not upgradeable. Batches cost little gas because one slot changes per batch.
interface IInbox {
    /// @notice The batcher posted a batch.
    /// @param index Batches before this one.
    /// @param batchHash `keccak256(abi.encode(previous batchTip, dataCommitment, daType, depositAccumulator,
    ///        depositCount, poster, block.number, block.timestamp, hash of the block's parent))`, the block being that
    ///        of the batch, where whoever reads this log finds the last three; `batchTip` keeps its first 26 bytes.
    /// @param dataCommitment `keccak256` of the calldata batch, or of the blobs' versioned hashes one after another.
    /// @param daType 0: the data is `appendBatch`'s argument. 1: the data is in the transaction's blobs.
    /// @param depositAccumulator Hash chain over all deposits so far.
    /// @param depositCount Number of those deposits.
    /// @param poster The batcher.
    event BatchAppended(
        uint256 indexed index,
        bytes32 batchHash,
        bytes32 dataCommitment,
        uint8 daType,
        bytes32 depositAccumulator,
        uint64 depositCount,
        address poster
    );

    /// @notice Another account posts from now on.
    event BatcherSet(address indexed batcher);

    /// @notice Only the batcher posts.
    error Inbox_NotBatcher(address caller);
    /// @notice The batcher must call from an account without code, so that the transaction's input is the batch.
    error Inbox_NotDirect();
    /// @notice Only the owner of `SystemConfig` chooses the batcher.
    error Inbox_NotOwner(address caller);
    /// @notice Only the portal records deposits.
    error Inbox_NotPortal(address caller);
    /// @notice The batch has no bytes, or the transaction no blobs.
    error Inbox_Empty();

    /// @notice Posts a batch as calldata.
    function appendBatch(bytes calldata data) external;

    /// @notice Posts a batch as all blobs of this transaction, in their order.
    function appendBlobs() external;

    /// @notice Chooses the account that posts.
    function setBatcher(address batcher) external;

    /// @notice Adds a deposit to the accumulator: `keccak256(accumulator ++ depositHash)`.
    function recordDeposit(bytes32 depositHash) external;

    /// @return The account that posts.
    function batcher() external view returns (address);

    /// @return Number of batches.
    function batchCount() external view returns (uint256);

    /// @return First 26 bytes of the last `batchHash`, then `batchCount` in 6 bytes.
    /// @dev 208 bits keep finding two batches with one hash as hard as 2^104 operations.
    function batchTip() external view returns (bytes32);

    /// @return Hash chain over all deposits.
    function depositAccumulator() external view returns (bytes32);

    /// @return Number of deposits.
    function depositCount() external view returns (uint64);

    /// @return The portal that records deposits.
    function portal() external view returns (address);

    /// @return The contract whose owner chooses the batcher.
    function systemConfig() external view returns (address);
}
