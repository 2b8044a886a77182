// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAssertions} from "./IAssertions.sol";

/// @title AssertionGame
/// @notice One claim of `Assertions`, as a contract of its own, since OP clients ask a dispute game for these values.
/// @dev A view without storage: a clone with its index in its code.
interface IAssertionGame {
    /// @notice OP's states of a game.
    enum GameStatus {
        IN_PROGRESS,
        CHALLENGER_WINS,
        DEFENDER_WINS
    }

    /// @return The contract that holds the claim.
    function assertions() external view returns (IAssertions);

    /// @return Number of the claim.
    function index() external view returns (uint256);

    /// @return OP's game type.
    function gameType() external view returns (uint32);

    /// @return The claimed output root.
    function rootClaim() external view returns (bytes32);

    /// @return L2 block number of the claim.
    function l2BlockNumber() external view returns (uint256);

    /// @return The same, under its newer name.
    function l2SequenceNumber() external view returns (uint256);

    /// @return `abi.encode(l2BlockNumber)`.
    function extraData() external view returns (bytes memory);

    /// @return Who made the claim.
    function gameCreator() external view returns (address);

    /// @return When the claim was made.
    function createdAt() external view returns (uint64);

    /// @return When its window ends; 0 while it is open or if the claim was rejected.
    function resolvedAt() external view returns (uint64);

    /// @return Pending, rejected or final.
    function status() external view returns (GameStatus);
}
