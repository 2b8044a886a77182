// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";

import {IAssertionGame} from "./interfaces/IAssertionGame.sol";
import {IAssertions} from "./interfaces/IAssertions.sol";

/// @title AssertionGame
contract AssertionGame is IAssertionGame {
    /// @inheritdoc IAssertionGame
    IAssertions public immutable assertions;

    /// @param assertions_ The contract that holds the claims.
    constructor(IAssertions assertions_) {
        assertions = assertions_;
    }

    /// @inheritdoc IAssertionGame
    function index() public view returns (uint256) {
        return uint256(bytes32(Clones.fetchCloneArgs(address(this))));
    }

    /// @inheritdoc IAssertionGame
    function gameType() external view returns (uint32) {
        return assertions.respectedGameType();
    }

    /// @inheritdoc IAssertionGame
    function rootClaim() external view returns (bytes32) {
        return _proposal().outputRoot;
    }

    /// @inheritdoc IAssertionGame
    function l2BlockNumber() external view returns (uint256) {
        return _proposal().l2BlockNumber;
    }

    /// @inheritdoc IAssertionGame
    function l2SequenceNumber() external view returns (uint256) {
        return _proposal().l2BlockNumber;
    }

    /// @inheritdoc IAssertionGame
    function extraData() external view returns (bytes memory) {
        return abi.encode(uint256(_proposal().l2BlockNumber));
    }

    /// @inheritdoc IAssertionGame
    function gameCreator() external view returns (address) {
        return _proposal().proposer;
    }

    /// @inheritdoc IAssertionGame
    function createdAt() external view returns (uint64) {
        return _proposal().createdAt;
    }

    /// @inheritdoc IAssertionGame
    function resolvedAt() external view returns (uint64) {
        if (!assertions.isFinal(index())) return 0;
        return _proposal().createdAt + assertions.challengeWindow();
    }

    /// @inheritdoc IAssertionGame
    function status() external view returns (GameStatus) {
        if (_proposal().rejected) return GameStatus.CHALLENGER_WINS;
        return assertions.isFinal(index()) ? GameStatus.DEFENDER_WINS : GameStatus.IN_PROGRESS;
    }

    function _proposal() private view returns (IAssertions.Proposal memory) {
        return assertions.proposal(index());
    }
}
