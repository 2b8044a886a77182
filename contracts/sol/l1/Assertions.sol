// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    AccessControlUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/AccessControlUpgradeable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";

import {AssertionGame} from "./AssertionGame.sol";
import {IAssertionGame} from "./interfaces/IAssertionGame.sol";
import {IAssertions} from "./interfaces/IAssertions.sol";

/// @title Assertions
contract Assertions is IAssertions, Initializable, AccessControlUpgradeable, UUPSUpgradeable {
    /// @dev A claim as stored: three slots. `game` follows from the index, `bond` fits 96 bits.
    struct Stored {
        bytes32 outputRoot;
        uint64 l2BlockNumber;
        uint64 createdAt;
        uint64 parent;
        bool rejected;
        bool resolved;
        address proposer;
        uint96 bond;
    }

    /// @notice May reject claims.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @notice May make claims.
    bytes32 public constant PROPOSER_ROLE = keccak256("PROPOSER_ROLE");
    /// @inheritdoc IAssertions
    bool public constant FAULT_PROOFS = false;
    /// @inheritdoc IAssertions
    uint64 public constant PROPOSER_GRACE = 3 days;
    /// @dev OP's `PERMISSIONED_CANNON`: claims by chosen accounts.
    uint32 private constant GAME_TYPE = 1;

    /// @dev What each claim's contract delegates to. Games are found through it, so it never changes.
    address private _gameImplementation;
    /// @inheritdoc IAssertions
    bytes32 public genesisOutputRoot;
    /// @inheritdoc IAssertions
    uint64 public challengeWindow;
    uint64 private _startedAt;
    /// @inheritdoc IAssertions
    uint128 public proposalBond;
    /// @inheritdoc IAssertions
    address public treasury;
    /// @dev Newest standing claim plus one; 0 without one.
    uint64 private _tip;
    Stored[] private _proposals;
    /// @inheritdoc IAssertions
    mapping(address account => uint256) public credit;

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IAssertions
    function initialize(
        address owner,
        address guardian,
        address proposer,
        uint64 challengeWindow_,
        uint128 proposalBond_
    ) external initializer {
        __AccessControl_init();
        _grantRole(DEFAULT_ADMIN_ROLE, owner);
        _grantRole(GUARDIAN_ROLE, guardian);
        _grantRole(PROPOSER_ROLE, proposer);
        challengeWindow = challengeWindow_;
        proposalBond = proposalBond_;
        treasury = owner;
        _gameImplementation = address(new AssertionGame(this));
    }

    /// @inheritdoc IAssertions
    function start(bytes32 genesisOutputRoot_) external onlyRole(DEFAULT_ADMIN_ROLE) {
        if (genesisOutputRoot != 0) revert Assertions_AlreadyStarted();
        if (genesisOutputRoot_ == 0) revert Assertions_ZeroRoot();
        genesisOutputRoot = genesisOutputRoot_;
        _startedAt = uint64(block.timestamp);
        emit Started(genesisOutputRoot_);
    }

    /// @inheritdoc IAssertions
    function propose(bytes32 outputRoot, uint256 l2BlockNumber, bytes32 l1BlockHash, uint256 l1BlockNumber)
        external
        payable
        returns (uint256 index)
    {
        if (genesisOutputRoot == 0) revert Assertions_NotStarted();
        if (outputRoot == 0) revert Assertions_ZeroRoot();
        if (msg.value != proposalBond) revert Assertions_WrongBond(proposalBond);
        if (!_mayPropose(msg.sender)) revert Assertions_NotProposer(msg.sender);
        uint256 latest = latestBlockNumber();
        if (l2BlockNumber <= latest || l2BlockNumber > type(uint64).max) {
            revert Assertions_NotAhead(l2BlockNumber, latest);
        }
        if (l1BlockHash == 0 || Blockhash.blockHash(l1BlockNumber) != l1BlockHash) {
            revert Assertions_L1BlockMismatch(l1BlockNumber);
        }
        index = _proposals.length;
        _proposals.push(
            Stored({
                outputRoot: outputRoot,
                l2BlockNumber: uint64(l2BlockNumber),
                createdAt: uint64(block.timestamp),
                parent: _tip,
                rejected: false,
                resolved: false,
                proposer: msg.sender,
                bond: uint96(msg.value) // less than all ether there is
            })
        );
        _tip = uint64(index + 1);
        address game = Clones.cloneDeterministicWithImmutableArgs(
            _gameImplementation, abi.encode(index), bytes32(index)
        );
        emit Proposed(index, outputRoot, l2BlockNumber, msg.sender, game, l1BlockHash, l1BlockNumber);
        emit DisputeGameCreated(game, GAME_TYPE, outputRoot);
    }

    /// @inheritdoc IAssertions
    function reject(uint256 index) external onlyRole(GUARDIAN_ROLE) {
        Stored storage target = _at(index);
        if (target.rejected) revert Assertions_AlreadyRejected(index);
        if (_windowPassed(target)) revert Assertions_WindowClosed(index);
        target.rejected = true;
        credit[treasury] += target.bond;
        // Each step leaves a rejected claim behind for good, so all steps ever are at most the rejections.
        uint64 tip = _tip;
        while (tip != 0 && _proposals[tip - 1].rejected) tip = _proposals[tip - 1].parent;
        _tip = tip;
        emit Rejected(index, msg.sender);
    }

    /// @inheritdoc IAssertions
    function resolve(uint256 index) external {
        Stored storage target = _at(index);
        if (target.rejected) revert Assertions_AlreadyRejected(index);
        if (target.resolved) revert Assertions_AlreadyResolved(index);
        if (!_windowPassed(target)) revert Assertions_WindowOpen(target.createdAt + challengeWindow);
        target.resolved = true;
        credit[target.proposer] += target.bond;
        emit Resolved(index, target.proposer, target.bond);
    }

    /// @inheritdoc IAssertions
    function withdrawCredit(address to) external {
        uint256 amount = credit[msg.sender];
        if (amount == 0) revert Assertions_NoCredit(msg.sender);
        credit[msg.sender] = 0;
        emit CreditPaid(msg.sender, to, amount);
        (bool paid,) = to.call{value: amount}("");
        if (!paid) revert Assertions_PaymentFailed(to);
    }

    /// @inheritdoc IAssertions
    function proposalCount() external view returns (uint256) {
        return _proposals.length;
    }

    /// @inheritdoc IAssertions
    function proposal(uint256 index) public view returns (Proposal memory) {
        Stored storage stored = _at(index);
        return Proposal({
            outputRoot: stored.outputRoot,
            l2BlockNumber: stored.l2BlockNumber,
            createdAt: stored.createdAt,
            rejected: stored.rejected,
            resolved: stored.resolved,
            proposer: stored.proposer,
            bond: stored.bond,
            parent: stored.parent,
            game: _game(index)
        });
    }

    /// @inheritdoc IAssertions
    function latestProposal() external view returns (bool exists, uint256 index, Proposal memory standing) {
        if (_tip == 0) return (false, 0, standing);
        index = _tip - 1;
        return (true, index, proposal(index));
    }

    /// @inheritdoc IAssertions
    function latestBlockNumber() public view returns (uint256) {
        return _tip == 0 ? 0 : _proposals[_tip - 1].l2BlockNumber;
    }

    /// @inheritdoc IAssertions
    function isFinal(uint256 index) public view returns (bool) {
        Stored storage target = _at(index);
        return !target.rejected && _windowPassed(target);
    }

    /// @inheritdoc IAssertions
    function gameCount() external view returns (uint256) {
        return _proposals.length;
    }

    /// @inheritdoc IAssertions
    function gameAtIndex(uint256 index) external view returns (uint32, uint64, address) {
        return (GAME_TYPE, _at(index).createdAt, _game(index));
    }

    /// @inheritdoc IAssertions
    function findLatestGames(uint32 gameType, uint256 start_, uint256 n)
        external
        view
        returns (GameSearchResult[] memory games)
    {
        if (gameType != GAME_TYPE || start_ >= _proposals.length) return games;
        uint256 most = n < start_ + 1 ? n : start_ + 1;
        games = new GameSearchResult[](most);
        uint256 found;
        for (uint256 i = start_ + 1; i > 0 && found < most; --i) {
            if (!_proposals[i - 1].rejected) games[found++] = _searchResult(i - 1);
        }
        assembly ("memory-safe") {
            mstore(games, found)
        }
    }

    /// @inheritdoc IAssertions
    function isGameProper(address game) public view returns (bool) {
        (bool known, uint256 index) = _indexOf(game);
        return known && !_proposals[index].rejected;
    }

    /// @inheritdoc IAssertions
    function isGameRespected(address game) external view returns (bool known) {
        (known,) = _indexOf(game);
    }

    /// @inheritdoc IAssertions
    function isGameFinalized(address game) external view returns (bool) {
        (bool known, uint256 index) = _indexOf(game);
        return known && _windowPassed(_proposals[index]);
    }

    /// @inheritdoc IAssertions
    function isGameClaimValid(address game) external view returns (bool) {
        (bool known, uint256 index) = _indexOf(game);
        return known && isFinal(index);
    }

    /// @inheritdoc IAssertions
    function respectedGameType() external pure returns (uint32) {
        return GAME_TYPE;
    }

    /// @inheritdoc IAssertions
    function version() external pure returns (string memory) {
        return "1.0.0";
    }

    function _mayPropose(address account) private view returns (bool) {
        if (hasRole(PROPOSER_ROLE, account)) return true;
        uint64 last = _tip == 0 ? _startedAt : _proposals[_tip - 1].createdAt;
        return block.timestamp > last + PROPOSER_GRACE;
    }

    function _at(uint256 index) private view returns (Stored storage) {
        if (index >= _proposals.length) revert Assertions_Unknown(index);
        return _proposals[index];
    }

    function _windowPassed(Stored storage target) private view returns (bool) {
        return block.timestamp > uint256(target.createdAt) + challengeWindow;
    }

    function _game(uint256 index) private view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(
            _gameImplementation, abi.encode(index), bytes32(index)
        );
    }

    /// @dev Asks `game` for its index and believes it only if that index has this address.
    function _indexOf(address game) private view returns (bool known, uint256 index) {
        (bool success, bytes memory answer) = game.staticcall(abi.encodeCall(IAssertionGame.index, ()));
        if (!success || answer.length != 32) return (false, 0);
        index = abi.decode(answer, (uint256));
        known = index < _proposals.length && game == _game(index);
    }

    function _searchResult(uint256 index) private view returns (GameSearchResult memory) {
        Stored storage stored = _proposals[index];
        uint256 metadata =
            (uint256(GAME_TYPE) << 224) | (uint256(stored.createdAt) << 160) | uint160(_game(index));
        return GameSearchResult({
            index: index,
            metadata: bytes32(metadata),
            timestamp: stored.createdAt,
            rootClaim: stored.outputRoot,
            extraData: abi.encode(uint256(stored.l2BlockNumber))
        });
    }

    function _authorizeUpgrade(address) internal override onlyRole(DEFAULT_ADMIN_ROLE) {}
}
