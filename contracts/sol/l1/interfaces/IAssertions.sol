// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Assertions
/// @notice Takes bonded claims of L2 output roots. A claim that nobody rejects in its challenge window is final.
/// @dev Trust until fault proofs exist (`FAULT_PROOFS` is false): only the guardian can reject, so it must watch and
///      can also reject honest claims; the owner can upgrade. A proposer risks its bond. To OP clients this contract
///      is the dispute game factory and the anchor state registry; each claim has an `AssertionGame`.
interface IAssertions {
    /// @notice A claim. Neither rejected nor past its window: pending.
    struct Proposal {
        bytes32 outputRoot;
        uint64 l2BlockNumber;
        uint64 createdAt;
        bool rejected;
        bool resolved;
        address proposer;
        uint128 bond;
        uint64 parent;
        address game;
    }

    /// @notice OP's answer to `findLatestGames`.
    /// @param metadata `gameType [u32] ++ timestamp [u64] ++ game [address]`.
    struct GameSearchResult {
        uint256 index;
        bytes32 metadata;
        uint64 timestamp;
        bytes32 rootClaim;
        bytes extraData;
    }

    /// @notice Claims can be made from now on.
    event Started(bytes32 genesisOutputRoot);
    /// @notice A claim was made.
    event Proposed(
        uint256 indexed index,
        bytes32 indexed outputRoot,
        uint256 indexed l2BlockNumber,
        address proposer,
        address game,
        bytes32 l1BlockHash,
        uint256 l1BlockNumber
    );
    /// @notice OP's event for the same.
    event DisputeGameCreated(
        address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim
    );
    /// @notice A guardian rejected a claim; its bond is lost.
    event Rejected(uint256 indexed index, address guardian);
    /// @notice A final claim's bond went back to its proposer's credit.
    event Resolved(uint256 indexed index, address proposer, uint256 bond);
    /// @notice Credit was paid out.
    event CreditPaid(address indexed account, address to, uint256 amount);

    /// @notice The owner has not called `start`.
    error Assertions_NotStarted();
    /// @notice `start` works once.
    error Assertions_AlreadyStarted();
    /// @notice Zero is no output root.
    error Assertions_ZeroRoot();
    /// @notice The value sent must be exactly the bond.
    error Assertions_WrongBond(uint256 required);
    /// @notice Only proposers, or anyone when no claim has been made for `PROPOSER_GRACE`.
    error Assertions_NotProposer(address caller);
    /// @notice Claims go forward only.
    error Assertions_NotAhead(uint256 l2BlockNumber, uint256 latest);
    /// @notice The claim was made for another L1 chain, or one too old to check.
    error Assertions_L1BlockMismatch(uint256 l1BlockNumber);
    /// @notice There is no such claim.
    error Assertions_Unknown(uint256 index);
    /// @notice The claim is not final yet.
    error Assertions_WindowOpen(uint256 until);
    /// @notice The claim is final.
    error Assertions_WindowClosed(uint256 index);
    /// @notice The claim was rejected.
    error Assertions_AlreadyRejected(uint256 index);
    /// @notice The bond was given back.
    error Assertions_AlreadyResolved(uint256 index);
    /// @notice Nothing to pay.
    error Assertions_NoCredit(address account);
    /// @notice The receiver refused.
    error Assertions_PaymentFailed(address to);

    /// @notice Sets roles and terms; called once, by the proxy's constructor.
    /// @param owner Grants roles, upgrades, starts, and is credited with lost bonds.
    /// @param guardian May reject claims.
    /// @param proposer May claim.
    /// @param challengeWindow Seconds that a claim can be rejected for.
    /// @param proposalBond Wei locked with each claim.
    function initialize(
        address owner,
        address guardian,
        address proposer,
        uint64 challengeWindow,
        uint128 proposalBond
    ) external;

    /// @notice Names the output root of L2's genesis. It needs the bridge's address, so it comes after deployment.
    function start(bytes32 genesisOutputRoot) external;

    /// @notice Claims that `outputRoot` is L2's at `l2BlockNumber`, for the L1 chain that has this block.
    /// @param l1BlockHash Hash of L1 block `l1BlockNumber`, one of the last 8191.
    /// @return index Number of the claim.
    function propose(bytes32 outputRoot, uint256 l2BlockNumber, bytes32 l1BlockHash, uint256 l1BlockNumber)
        external
        payable
        returns (uint256 index);

    /// @notice Rejects a claim inside its window. Guardian only.
    function reject(uint256 index) external;

    /// @notice Gives a final claim's bond back. Anyone may call; finality itself needs no call.
    function resolve(uint256 index) external;

    /// @notice Pays the caller's credit to `to`.
    function withdrawCredit(address to) external;

    /// @return Wei that `account` may withdraw.
    function credit(address account) external view returns (uint256);

    /// @return Whether a wrong claim can be defeated without trusting anyone. False.
    function FAULT_PROOFS() external view returns (bool);

    /// @return Seconds without a standing claim after which anyone may propose.
    function PROPOSER_GRACE() external view returns (uint64);

    /// @return Output root of L2's genesis; zero before `start`.
    function genesisOutputRoot() external view returns (bytes32);

    /// @return Seconds that a claim can be rejected for.
    function challengeWindow() external view returns (uint64);

    /// @return Wei locked with each claim.
    function proposalBond() external view returns (uint128);

    /// @return Account that lost bonds are credited to.
    function treasury() external view returns (address);

    /// @return Number of claims.
    function proposalCount() external view returns (uint256);

    /// @return The claim.
    function proposal(uint256 index) external view returns (Proposal memory);

    /// @notice The newest claim that was not rejected.
    /// @return exists Whether there is one.
    /// @return index Its number.
    /// @return standing The claim.
    function latestProposal() external view returns (bool exists, uint256 index, Proposal memory standing);

    /// @return L2 block number of the newest standing claim; 0 without one.
    function latestBlockNumber() external view returns (uint256);

    /// @return Whether the claim's window has passed without rejection.
    function isFinal(uint256 index) external view returns (bool);

    /// @return Number of claims.
    function gameCount() external view returns (uint256);

    /// @notice OP's view of a claim.
    function gameAtIndex(uint256 index)
        external
        view
        returns (uint32 gameType, uint64 timestamp, address proxy);

    /// @notice Standing claims from `start` downwards, newest first, at most `n`. Rejected ones are left out.
    function findLatestGames(uint32 gameType, uint256 start, uint256 n)
        external
        view
        returns (GameSearchResult[] memory games);

    /// @return Whether `game` is a claim of this contract that was not rejected.
    function isGameProper(address game) external view returns (bool);

    /// @return Whether `game` is a claim of this contract.
    function isGameRespected(address game) external view returns (bool);

    /// @return Whether `game`'s window has passed.
    function isGameFinalized(address game) external view returns (bool);

    /// @return Whether withdrawals may rely on `game`.
    function isGameClaimValid(address game) external view returns (bool);

    /// @return OP's type of the claims: 1, permissioned.
    function respectedGameType() external view returns (uint32);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
