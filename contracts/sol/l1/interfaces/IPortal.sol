// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Types} from "../../libraries/Types.sol";
import {IAssertions} from "./IAssertions.sol";
import {IInbox} from "./IInbox.sol";
import {ISystemConfig} from "./ISystemConfig.sol";

/// @title Portal
/// @notice Takes messages to L2 and pays messages from L2. ABI, events and the errors that clients match are those of
///         OP's `OptimismPortal2`.
/// @dev Trust: a withdrawal is as good as the claim that it is proven against, see `IAssertions`. The guardian can
///      hold withdrawals back for at most PAUSE_PERIOD at a time, never deposits. The owner can upgrade. Deposit gas
///      is not priced: whoever fills an L1 block's share of it pays only L1's own fees.
interface IPortal {
    /// @notice A message to L2 was taken (OP specification, "Deposits").
    /// @param from Sender on L2: aliased unless it is an account with a key.
    /// @param to Target on L2; zero for a creation.
    /// @param version 0.
    /// @param opaqueData `mint [u256] ++ value [u256] ++ gasLimit [u64] ++ isCreation [u8] ++ data`.
    event TransactionDeposited(
        address indexed from, address indexed to, uint256 indexed version, bytes opaqueData
    );
    /// @notice A withdrawal was proven.
    event WithdrawalProven(bytes32 indexed withdrawalHash, address indexed from, address indexed to);
    /// @notice Who proved it.
    event WithdrawalProvenExtension1(bytes32 indexed withdrawalHash, address indexed proofSubmitter);
    /// @notice A withdrawal was paid; `success` is what its target made of it.
    event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success);
    /// @notice Withdrawals wait until this time.
    event Paused(uint64 until);
    /// @notice Withdrawals go on.
    event Unpaused();

    /// @notice A creation has no target; a withdrawal's target is neither portal nor inbox.
    error OptimismPortal_BadTarget();
    /// @notice Below `minimumGasLimit`.
    error OptimismPortal_GasLimitTooLow();
    /// @notice More than 120,000 bytes, which would not travel in one L2 transaction.
    error OptimismPortal_CalldataTooLarge();
    /// @notice Withdrawals are paused.
    error OptimismPortal_CallPaused();
    /// @notice The claim was rejected.
    error OptimismPortal_InvalidDisputeGame();
    /// @notice The message passer's storage does not hold the withdrawal.
    error OptimismPortal_InvalidMerkleProof();
    /// @notice The fields do not hash to the claimed output root.
    error OptimismPortal_InvalidOutputRootProof();
    /// @notice The claim is rejected or its window still open.
    error OptimismPortal_InvalidRootClaim();
    /// @notice The proof must rest for `proofMaturityDelaySeconds`.
    error OptimismPortal_ProofNotOldEnough();
    /// @notice Each withdrawal is paid once.
    error OptimismPortal_AlreadyFinalized();
    /// @notice Nobody, or not this submitter, has proven the withdrawal.
    error OptimismPortal_Unproven();
    /// @notice One withdrawal at a time.
    error OptimismPortal_NoReentrancy();
    /// @notice Lets gas estimation find enough gas for a target that would fail with less.
    error OptimismPortal_GasEstimation();
    /// @notice This L1 block has no more deposit gas than this.
    error Portal_DepositGasExhausted(uint64 available);
    /// @notice The guardian may pause again then.
    error Portal_PauseCooldown(uint64 until);
    /// @notice There is nothing to end.
    error Portal_NotPaused();
    /// @notice The caller must supply the gas that the withdrawal asks for.
    error Portal_InsufficientGas();
    /// @notice The withdrawal waits until the portal holds its value.
    error Portal_InsufficientBalance(uint256 balance);

    /// @notice Sets roles and terms and creates the inbox; called once, by the proxy's constructor.
    /// @param owner Grants roles and upgrades.
    /// @param guardian May pause withdrawals.
    /// @param batcher May post to the inbox.
    /// @param systemConfig Governs the most gas that deposits of an L1 block may ask for.
    /// @param assertions Holds the claims that withdrawals are proven against.
    /// @param proofMaturityDelaySeconds Seconds between proof and payment.
    function initialize(
        address owner,
        address guardian,
        address batcher,
        ISystemConfig systemConfig,
        IAssertions assertions,
        uint64 proofMaturityDelaySeconds
    ) external;

    /// @notice Sends a message to L2, where it is always included. The value sent is minted to the sender on L2.
    /// @param to Target on L2; zero for a creation.
    /// @param value Wei that the sender passes to the target on L2.
    /// @param gasLimit Gas on L2.
    /// @param isCreation Whether `data` creates a contract.
    /// @param data Calldata or creation code.
    function depositTransaction(
        address to,
        uint256 value,
        uint64 gasLimit,
        bool isCreation,
        bytes memory data
    ) external payable;

    /// @notice Gives ether to the portal without a deposit.
    function donateETH() external payable;

    /// @notice Proves that L2 sent a withdrawal. Proving again replaces the caller's earlier proof.
    /// @param transaction The fields logged on L2.
    /// @param disputeGameIndex Number of the claim in `Assertions`.
    /// @param outputRootProof Preimage of the claimed output root.
    /// @param withdrawalProof Storage proof of the message passer's slot, from root to leaf.
    function proveWithdrawalTransaction(
        Types.WithdrawalTransaction memory transaction,
        uint256 disputeGameIndex,
        Types.OutputRootProof calldata outputRootProof,
        bytes[] calldata withdrawalProof
    ) external;

    /// @notice Pays a withdrawal that the caller proved.
    /// @dev A reverting target still counts as finalized: retrying is the receiver's concern. Anyone may call.
    function finalizeWithdrawalTransaction(Types.WithdrawalTransaction memory transaction) external;

    /// @notice Pays a withdrawal that `proofSubmitter` proved. Anyone may call.
    function finalizeWithdrawalTransactionExternalProof(
        Types.WithdrawalTransaction memory transaction,
        address proofSubmitter
    ) external;

    /// @notice Reverts, with the reason, unless the withdrawal can be paid now.
    function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) external view;

    /// @notice The claim that `proofSubmitter` used, and when; zeros without a proof.
    function provenWithdrawals(bytes32 withdrawalHash, address proofSubmitter)
        external
        view
        returns (address disputeGameProxy, uint64 timestamp);

    /// @return Whether the withdrawal was paid.
    function finalizedWithdrawals(bytes32 withdrawalHash) external view returns (bool);

    /// @return Number of proofs submitted for the withdrawal.
    function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256);

    /// @return Who submitted a proof.
    function proofSubmitters(bytes32 withdrawalHash, uint256 index) external view returns (address);

    /// @return Seconds between proof and payment.
    function proofMaturityDelaySeconds() external view returns (uint256);

    /// @return OP's type of the claims that count.
    function respectedGameType() external view returns (uint32);

    /// @return `Assertions`, under OP's name for what lists claims.
    function disputeGameFactory() external view returns (IAssertions);

    /// @return `Assertions`, under OP's name for what judges claims.
    function anchorStateRegistry() external view returns (IAssertions);

    /// @return The system configuration.
    function systemConfig() external view returns (ISystemConfig);

    /// @return The inbox, which keeps the accumulator of deposits.
    function inbox() external view returns (IInbox);

    /// @return Sender on L2 of the withdrawal being paid; 0x…dEaD between withdrawals.
    function l2Sender() external view returns (address);

    /// @return Whether withdrawals wait.
    function paused() external view returns (bool);

    /// @return When the last pause ends or ended.
    function pausedUntil() external view returns (uint64);

    /// @return Seconds that a pause lasts, and that must pass between two.
    function PAUSE_PERIOD() external view returns (uint64);

    /// @notice Holds withdrawals back for PAUSE_PERIOD. Guardian only.
    function pause() external;

    /// @notice Ends a pause. Guardian or owner.
    function unpause() external;

    /// @return Least gas limit of a deposit with this many bytes of data.
    function minimumGasLimit(uint64 byteCount) external pure returns (uint64);

    /// @return Semantic version; its major number selects the clients' path.
    function version() external pure returns (string memory);
}
