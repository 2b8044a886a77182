// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    AccessControlUpgradeable
} from "@openzeppelin/contracts-upgradeable/access/AccessControlUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {TrieProof} from "@openzeppelin/contracts/utils/cryptography/TrieProof.sol";

import {AddressAliasHelper} from "../libraries/AddressAliasHelper.sol";
import {Call} from "../libraries/Call.sol";
import {EOA} from "../libraries/EOA.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Types} from "../libraries/Types.sol";
import {Inbox} from "./Inbox.sol";
import {IAssertions} from "./interfaces/IAssertions.sol";
import {IInbox} from "./interfaces/IInbox.sol";
import {IPortal} from "./interfaces/IPortal.sol";
import {ISystemConfig} from "./interfaces/ISystemConfig.sol";

/// @title Portal
contract Portal is IPortal, Initializable, AccessControlUpgradeable, UUPSUpgradeable {
    /// @dev One slot.
    struct ProvenWithdrawal {
        address game;
        uint64 timestamp;
        uint32 index;
    }

    /// @notice May pause withdrawals.
    bytes32 public constant GUARDIAN_ROLE = keccak256("GUARDIAN_ROLE");
    /// @inheritdoc IPortal
    uint64 public constant PAUSE_PERIOD = 7 days;

    uint256 private constant DEPOSIT_VERSION = 0;
    uint64 private constant RECEIVE_GAS_LIMIT = 100_000;
    uint256 private constant MAX_DATA_BYTES = 120_000;
    /// @dev Gas that paying a withdrawal needs after the target's call.
    uint256 private constant FINALIZE_RESERVE_GAS = 5_000;
    address private constant NO_SENDER = 0x000000000000000000000000000000000000dEaD;
    /// @dev Origin of gas estimations that must see a failing target (as OP's `Constants.ESTIMATION_ADDRESS`).
    address private constant ESTIMATION_ADDRESS = address(1);

    /// @dev Sender of the withdrawal being paid; zero between withdrawals.
    address private transient _l2Sender;

    /// @inheritdoc IPortal
    ISystemConfig public systemConfig;
    uint64 private _depositBlock;
    IAssertions private _assertions;
    uint64 private _depositGas;
    /// @inheritdoc IPortal
    IInbox public inbox;
    /// @inheritdoc IPortal
    uint64 public pausedUntil;
    uint64 private _proofMaturityDelay;
    /// @inheritdoc IPortal
    mapping(bytes32 withdrawalHash => bool) public finalizedWithdrawals;
    mapping(bytes32 withdrawalHash => mapping(address submitter => ProvenWithdrawal)) private _proven;
    /// @inheritdoc IPortal
    mapping(bytes32 withdrawalHash => address[]) public proofSubmitters;

    constructor() {
        _disableInitializers();
    }

    /// @notice Deposits the value to the sender's own account on L2.
    receive() external payable {
        depositTransaction(msg.sender, msg.value, RECEIVE_GAS_LIMIT, false, "");
    }

    /// @inheritdoc IPortal
    function initialize(
        address owner,
        address guardian,
        address batcher,
        ISystemConfig systemConfig_,
        IAssertions assertions,
        uint64 proofMaturityDelaySeconds_
    ) external initializer {
        __AccessControl_init();
        _grantRole(DEFAULT_ADMIN_ROLE, owner);
        _grantRole(GUARDIAN_ROLE, guardian);
        systemConfig = systemConfig_;
        _assertions = assertions;
        _proofMaturityDelay = proofMaturityDelaySeconds_;
        inbox = new Inbox(address(this), address(systemConfig_), batcher);
    }

    /// @inheritdoc IPortal
    function depositTransaction(
        address to,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes memory data
    ) public payable {
        if (isCreation && to != address(0)) revert OptimismPortal_BadTarget();
        if (data.length > MAX_DATA_BYTES) revert OptimismPortal_CalldataTooLarge();
        if (gasLimit < minimumGasLimit(uint64(data.length))) revert OptimismPortal_GasLimitTooLow();
        _useDepositGas(gasLimit);
        address from = EOA.isSender() ? msg.sender : AddressAliasHelper.applyL1ToL2Alias(msg.sender);
        bytes memory opaqueData = abi.encodePacked(msg.value, value, gasLimit, isCreation, data);
        emit TransactionDeposited(from, to, DEPOSIT_VERSION, opaqueData);
        inbox.recordDeposit(
            keccak256(abi.encode(from, to, DEPOSIT_VERSION, keccak256(opaqueData), block.number))
        );
    }

    /// @inheritdoc IPortal
    function donateETH() external payable {}

    /// @inheritdoc IPortal
    function proveWithdrawalTransaction(
        Types.WithdrawalTransaction memory transaction,
        uint256 disputeGameIndex,
        Types.OutputRootProof calldata outputRootProof,
        bytes[] calldata withdrawalProof
    ) external {
        if (paused()) revert OptimismPortal_CallPaused();
        // The inbox trusts this contract, so nobody else may speak through it.
        if (transaction.target == address(this) || transaction.target == address(inbox)) {
            revert OptimismPortal_BadTarget();
        }
        IAssertions.Proposal memory claim = _assertions.proposal(disputeGameIndex);
        if (claim.rejected) revert OptimismPortal_InvalidDisputeGame();
        if (Hashing.outputRoot(outputRootProof) != claim.outputRoot) {
            revert OptimismPortal_InvalidOutputRootProof();
        }
        bytes32 hash = Hashing.withdrawalHash(transaction);
        if (!_isSent(hash, outputRootProof.messagePasserStorageRoot, withdrawalProof)) {
            revert OptimismPortal_InvalidMerkleProof();
        }
        _proven[hash][msg.sender] =
            ProvenWithdrawal(claim.game, uint64(block.timestamp), uint32(disputeGameIndex));
        proofSubmitters[hash].push(msg.sender);
        emit WithdrawalProven(hash, transaction.sender, transaction.target);
        emit WithdrawalProvenExtension1(hash, msg.sender);
    }

    /// @inheritdoc IPortal
    function finalizeWithdrawalTransaction(Types.WithdrawalTransaction memory transaction) external {
        finalizeWithdrawalTransactionExternalProof(transaction, msg.sender);
    }

    /// @inheritdoc IPortal
    function finalizeWithdrawalTransactionExternalProof(
        Types.WithdrawalTransaction memory transaction,
        address proofSubmitter
    ) public {
        if (_l2Sender != address(0)) {
            revert OptimismPortal_NoReentrancy();
        }
        bytes32 hash = Hashing.withdrawalHash(transaction);
        checkWithdrawal(hash, proofSubmitter);
        // A payment that would fail for that reason alone must not be the only one.
        uint256 balance = address(this).balance;
        if (transaction.value > balance) revert Portal_InsufficientBalance(balance);
        finalizedWithdrawals[hash] = true;
        _l2Sender = transaction.sender;
        if (!Call.hasMinGas(transaction.gasLimit, FINALIZE_RESERVE_GAS)) revert Portal_InsufficientGas();
        bool success = Call.tryCall(transaction.target, gasleft(), transaction.value, transaction.data);
        _l2Sender = address(0);
        emit WithdrawalFinalized(hash, success);
        if (!success && tx.origin == ESTIMATION_ADDRESS) revert OptimismPortal_GasEstimation();
    }

    /// @inheritdoc IPortal
    function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) public view {
        if (paused()) revert OptimismPortal_CallPaused();
        if (finalizedWithdrawals[withdrawalHash]) revert OptimismPortal_AlreadyFinalized();
        ProvenWithdrawal memory proof = _proven[withdrawalHash][proofSubmitter];
        if (proof.timestamp == 0) revert OptimismPortal_Unproven();
        if (block.timestamp - proof.timestamp <= _proofMaturityDelay) {
            revert OptimismPortal_ProofNotOldEnough();
        }
        if (!_assertions.isFinal(proof.index)) revert OptimismPortal_InvalidRootClaim();
    }

    /// @inheritdoc IPortal
    function provenWithdrawals(bytes32 withdrawalHash, address proofSubmitter)
        external
        view
        returns (address, uint64)
    {
        ProvenWithdrawal memory proof = _proven[withdrawalHash][proofSubmitter];
        return (proof.game, proof.timestamp);
    }

    /// @inheritdoc IPortal
    function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256) {
        return proofSubmitters[withdrawalHash].length;
    }

    /// @inheritdoc IPortal
    function proofMaturityDelaySeconds() external view returns (uint256) {
        return _proofMaturityDelay;
    }

    /// @inheritdoc IPortal
    function respectedGameType() external view returns (uint32) {
        return _assertions.respectedGameType();
    }

    /// @inheritdoc IPortal
    function disputeGameFactory() external view returns (IAssertions) {
        return _assertions;
    }

    /// @inheritdoc IPortal
    function anchorStateRegistry() external view returns (IAssertions) {
        return _assertions;
    }

    /// @inheritdoc IPortal
    function l2Sender() external view returns (address) {
        return _l2Sender == address(0) ? NO_SENDER : _l2Sender;
    }

    /// @inheritdoc IPortal
    function paused() public view returns (bool) {
        return block.timestamp < pausedUntil;
    }

    /// @inheritdoc IPortal
    function pause() external onlyRole(GUARDIAN_ROLE) {
        uint64 allowedAt = pausedUntil == 0 ? 0 : pausedUntil + PAUSE_PERIOD;
        if (block.timestamp < allowedAt) revert Portal_PauseCooldown(allowedAt);
        pausedUntil = uint64(block.timestamp) + PAUSE_PERIOD;
        emit Paused(pausedUntil);
    }

    /// @inheritdoc IPortal
    function unpause() external {
        if (!hasRole(DEFAULT_ADMIN_ROLE, msg.sender)) _checkRole(GUARDIAN_ROLE);
        if (!paused()) revert Portal_NotPaused();
        pausedUntil = uint64(block.timestamp);
        emit Unpaused();
    }

    /// @inheritdoc IPortal
    function minimumGasLimit(uint64 byteCount) public pure returns (uint64) {
        return byteCount * 40 + 21_000;
    }

    /// @inheritdoc IPortal
    function version() external pure returns (string memory) {
        return "3.14.0";
    }

    function _useDepositGas(uint64 gasLimit) private {
        uint64 used = _depositBlock == block.number ? _depositGas : 0;
        uint64 available = systemConfig.maxDepositGas() - used;
        if (gasLimit > available) revert Portal_DepositGasExhausted(available);
        _depositBlock = uint64(block.number);
        _depositGas = used + gasLimit;
    }

    /// @dev Slot 0 of the message passer maps withdrawal hashes to `true`, whose RLP is one byte.
    function _isSent(bytes32 hash, bytes32 storageRoot, bytes[] calldata proof) private pure returns (bool) {
        bytes32 slot = keccak256(abi.encode(hash, uint256(0)));
        return TrieProof.verify(hex"01", storageRoot, abi.encodePacked(keccak256(abi.encode(slot))), proof);
    }

    function _authorizeUpgrade(address) internal override onlyRole(DEFAULT_ADMIN_ROLE) {}
}
