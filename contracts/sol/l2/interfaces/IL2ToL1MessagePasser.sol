// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title L2ToL1MessagePasser
/// @notice Records messages to L1. Its storage root is part of each output root (OP specification, "Withdrawals").
interface IL2ToL1MessagePasser {
    /// @notice A message was recorded; its hash is its id.
    event MessagePassed(
        uint256 indexed nonce,
        address indexed sender,
        address indexed target,
        uint256 value,
        uint256 gasLimit,
        bytes data,
        bytes32 withdrawalHash
    );
    /// @notice Ether of past messages left L2's supply.
    event WithdrawerBalanceBurnt(uint256 indexed amount);

    /// @notice Sends a message to `target` on L1 with the value sent.
    /// @param gasLimit Gas that `target` gets on L1.
    function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) external payable;

    /// @notice Destroys the ether of past messages, which the portal pays on L1. Anyone may call.
    function burn() external;

    /// @return Nonce of the next message: version 1 in the top two bytes, then a counter.
    function messageNonce() external view returns (uint256);

    /// @return Whether a message with this hash was recorded.
    function sentMessages(bytes32 withdrawalHash) external view returns (bool);

    /// @return Version of the nonce.
    function MESSAGE_VERSION() external view returns (uint16);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
