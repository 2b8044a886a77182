//! Calls, events and errors of the contracts on L1.
//!
//! The owner of every contract is a role that `initialize` takes; production gives it to an `OpenZeppelin`
//! `TimelockController`. Upgradeable contracts stand behind an [`ERC1967Proxy`] whose constructor runs
//! `initialize`, so that one CREATE2 transaction makes a contract that nobody else can initialize.
//!
//! Order of deployment: `Assertions`, `SystemConfig`, `Portal` (which creates its own `Inbox`),
//! `StandardBridge`; then L2's genesis is known and the owner calls `Assertions.start`.

#![allow(missing_docs, clippy::too_many_arguments)] // Solidity's own documentation is in `contracts/sol/l1/interfaces`.

use alloy_sol_types::sol;

sol! {
    /// Takes batches. Created by the portal's initializer; not upgradeable.
    #[derive(Debug, PartialEq, Eq)]
    interface Inbox {
        /// `daType`: 0 calldata, 1 blobs.
        event BatchAppended(
            uint256 indexed index,
            bytes32 batchHash,
            bytes32 dataCommitment,
            uint8 daType,
            bytes32 depositAccumulator,
            uint64 depositCount,
            address poster
        );
        event BatcherSet(address indexed batcher);

        error Inbox_NotBatcher(address caller);
        error Inbox_NotDirect();
        error Inbox_NotOwner(address caller);
        error Inbox_NotPortal(address caller);
        error Inbox_Empty();

        function appendBatch(bytes calldata data) external;
        function appendBlobs() external;
        function setBatcher(address batcher) external;
        function recordDeposit(bytes32 depositHash) external;
        function batcher() external view returns (address);
        function batchCount() external view returns (uint256);
        function batchTip() external view returns (bytes32);
        function depositAccumulator() external view returns (bytes32);
        function depositCount() external view returns (uint64);
        function portal() external view returns (address);
        function systemConfig() external view returns (address);
    }

    /// Takes deposits and pays withdrawals: the ABI of OP's `OptimismPortal2`.
    #[derive(Debug, PartialEq, Eq)]
    interface Portal {
        struct WithdrawalTransaction {
            uint256 nonce;
            address sender;
            address target;
            uint256 value;
            uint256 gasLimit;
            bytes data;
        }
        struct OutputRootProof {
            bytes32 version;
            bytes32 stateRoot;
            bytes32 messagePasserStorageRoot;
            bytes32 latestBlockhash;
        }

        event TransactionDeposited(
            address indexed from, address indexed to, uint256 indexed version, bytes opaqueData
        );
        event WithdrawalProven(bytes32 indexed withdrawalHash, address indexed from, address indexed to);
        event WithdrawalProvenExtension1(bytes32 indexed withdrawalHash, address indexed proofSubmitter);
        event WithdrawalFinalized(bytes32 indexed withdrawalHash, bool success);
        event Paused(uint64 until);
        event Unpaused();

        error OptimismPortal_BadTarget();
        error OptimismPortal_GasLimitTooLow();
        error OptimismPortal_CalldataTooLarge();
        error OptimismPortal_CallPaused();
        error OptimismPortal_InvalidDisputeGame();
        error OptimismPortal_InvalidMerkleProof();
        error OptimismPortal_InvalidOutputRootProof();
        error OptimismPortal_InvalidRootClaim();
        error OptimismPortal_ProofNotOldEnough();
        error OptimismPortal_AlreadyFinalized();
        error OptimismPortal_Unproven();
        error OptimismPortal_NoReentrancy();
        error OptimismPortal_GasEstimation();
        error Portal_DepositGasExhausted(uint64 available);
        error Portal_PauseCooldown(uint64 until);
        error Portal_NotPaused();
        error Portal_InsufficientGas();
        error Portal_InsufficientBalance(uint256 balance);

        function initialize(
            address owner,
            address guardian,
            address batcher,
            address systemConfig,
            address assertions,
            uint64 proofMaturityDelaySeconds
        ) external;
        function depositTransaction(address to, uint256 value, uint64 gasLimit, bool isCreation, bytes data)
            external payable;
        function donateETH() external payable;
        function proveWithdrawalTransaction(
            WithdrawalTransaction transaction,
            uint256 disputeGameIndex,
            OutputRootProof outputRootProof,
            bytes[] withdrawalProof
        ) external;
        function finalizeWithdrawalTransaction(WithdrawalTransaction transaction) external;
        function finalizeWithdrawalTransactionExternalProof(
            WithdrawalTransaction transaction, address proofSubmitter
        ) external;
        function checkWithdrawal(bytes32 withdrawalHash, address proofSubmitter) external view;
        function provenWithdrawals(bytes32 withdrawalHash, address proofSubmitter)
            external view returns (address disputeGameProxy, uint64 timestamp);
        function finalizedWithdrawals(bytes32 withdrawalHash) external view returns (bool);
        function numProofSubmitters(bytes32 withdrawalHash) external view returns (uint256);
        function proofSubmitters(bytes32 withdrawalHash, uint256 index) external view returns (address);
        function proofMaturityDelaySeconds() external view returns (uint256);
        function respectedGameType() external view returns (uint32);
        function disputeGameFactory() external view returns (address);
        function anchorStateRegistry() external view returns (address);
        function systemConfig() external view returns (address);
        function inbox() external view returns (address);
        function l2Sender() external view returns (address);
        function paused() external view returns (bool);
        function pausedUntil() external view returns (uint64);
        function PAUSE_PERIOD() external view returns (uint64);
        function pause() external;
        function unpause() external;
        function minimumGasLimit(uint64 byteCount) external pure returns (uint64);
        function version() external view returns (string);
    }

    /// Holds bridged ERC-20 tokens per pair and relays ETH: the ABI of OP's `L1StandardBridge`.
    #[derive(Debug, PartialEq, Eq)]
    interface StandardBridge {
        event ETHDepositInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
        event ETHWithdrawalFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
        event ERC20DepositInitiated(
            address indexed l1Token, address indexed l2Token, address indexed from,
            address to, uint256 amount, bytes extraData
        );
        event ERC20WithdrawalFinalized(
            address indexed l1Token, address indexed l2Token, address indexed from,
            address to, uint256 amount, bytes extraData
        );
        event ETHBridgeInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
        event ETHBridgeFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
        event ERC20BridgeInitiated(
            address indexed localToken, address indexed remoteToken, address indexed from,
            address to, uint256 amount, bytes extraData
        );
        event ERC20BridgeFinalized(
            address indexed localToken, address indexed remoteToken, address indexed from,
            address to, uint256 amount, bytes extraData
        );
        /// A payment that its receiver refused, or fees: `claim` pays it out. `token` 0 is ETH.
        event Credited(address indexed token, address indexed account, uint256 amount);
        event Claimed(address indexed token, address indexed account, address to, uint256 amount);

        error StandardBridge_NotEOA();
        error StandardBridge_NotOtherBridge();
        error StandardBridge_WrongValue(uint256 amount);
        error StandardBridge_InsufficientDeposits(uint256 deposited);
        error StandardBridge_NothingReceived();
        error StandardBridge_NoCredit(address account);
        error StandardBridge_PaymentFailed(address to);

        function initialize(address owner, address portal, address systemConfig) external;
        function depositETH(uint32 minGasLimit, bytes extraData) external payable;
        function depositETHTo(address to, uint32 minGasLimit, bytes extraData) external payable;
        function depositERC20(address l1Token, address l2Token, uint256 amount, uint32 minGasLimit, bytes extraData)
            external;
        function depositERC20To(
            address l1Token, address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes extraData
        ) external;
        function bridgeETH(uint32 minGasLimit, bytes extraData) external payable;
        function bridgeETHTo(address to, uint32 minGasLimit, bytes extraData) external payable;
        function bridgeERC20(
            address localToken, address remoteToken, uint256 amount, uint32 minGasLimit, bytes extraData
        ) external;
        function bridgeERC20To(
            address localToken, address remoteToken, address to, uint256 amount, uint32 minGasLimit, bytes extraData
        ) external;
        function finalizeBridgeETH(address from, address to, uint256 amount, bytes extraData) external payable;
        function finalizeBridgeERC20(
            address localToken, address remoteToken, address from, address to, uint256 amount, bytes extraData
        ) external;
        function collectFees() external payable;
        function claim(address token, address to) external;
        function claimable(address token, address account) external view returns (uint256);
        function deposits(address localToken, address remoteToken) external view returns (uint256);
        function otherBridge() external view returns (address);
        function l2TokenBridge() external view returns (address);
        function portal() external view returns (address);
        function systemConfig() external view returns (address);
        function version() external view returns (string);
    }

    /// Governs L2's fee rules and gas limit: setters and event of OP's `SystemConfig`.
    #[derive(Debug, PartialEq, Eq)]
    interface SystemConfig {
        struct Init {
            address owner;
            address feeRecipient;
            uint64 gasLimit;
            uint64 maxDepositGas;
            uint32 baseFeeScalar;
            uint32 blobBaseFeeScalar;
            uint32 operatorFeeScalar;
            uint64 operatorFeeConstant;
            uint16 daFootprintGasScalar;
            uint32 eip1559Denominator;
            uint32 eip1559Elasticity;
            uint64 minBaseFee;
        }

        /// `updateType` and the ABI words in `data`: 1 fee scalars `(0, 1 << 248 | blobBaseFeeScalar << 32 |
        /// baseFeeScalar)`, 2 gas limit, 4 EIP-1559 parameters `denominator << 32 | elasticity`, 5 operator fee
        /// `scalar << 64 | constant`, 6 minimum base fee, 7 DA footprint gas scalar.
        event ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data);
        event FeeRecipientSet(address indexed feeRecipient);

        error SystemConfig_GasLimitTooLow(uint64 minimum);
        error SystemConfig_GasLimitTooHigh(uint64 maximum);
        error SystemConfig_ZeroEip1559Param();
        error SystemConfig_ElasticityTooHigh(uint32 maximum);
        error SystemConfig_MinBaseFeeTooHigh(uint64 maximum);
        error SystemConfig_ZeroFeeRecipient();

        function initialize(Init init) external;
        function setGasConfigEcotone(uint32 baseFeeScalar, uint32 blobBaseFeeScalar) external;
        function setGasLimit(uint64 gasLimit) external;
        function setEIP1559Params(uint32 denominator, uint32 elasticity) external;
        function setOperatorFeeScalars(uint32 operatorFeeScalar, uint64 operatorFeeConstant) external;
        function setMinBaseFee(uint64 minBaseFee) external;
        function setDAFootprintGasScalar(uint16 daFootprintGasScalar) external;
        function setFeeRecipient(address feeRecipient) external;
        function owner() external view returns (address);
        function transferOwnership(address newOwner) external;
        function feeRecipient() external view returns (address);
        function gasLimit() external view returns (uint64);
        function maxDepositGas() external view returns (uint64);
        function minimumGasLimit() external view returns (uint64);
        function maximumGasLimit() external view returns (uint64);
        function scalar() external view returns (uint256);
        function basefeeScalar() external view returns (uint32);
        function blobbasefeeScalar() external view returns (uint32);
        function operatorFeeScalar() external view returns (uint32);
        function operatorFeeConstant() external view returns (uint64);
        function daFootprintGasScalar() external view returns (uint16);
        function eip1559Denominator() external view returns (uint32);
        function eip1559Elasticity() external view returns (uint32);
        function minBaseFee() external view returns (uint64);
        function version() external view returns (string);
    }

    /// Takes bonded claims of output roots; also answers as dispute game factory and anchor state registry.
    #[derive(Debug, PartialEq, Eq)]
    interface Assertions {
        /// `parent` is the index plus one of the newest standing claim before it; 0 without one.
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
        struct GameSearchResult {
            uint256 index;
            bytes32 metadata;
            uint64 timestamp;
            bytes32 rootClaim;
            bytes extraData;
        }

        event Started(bytes32 genesisOutputRoot);
        event Proposed(
            uint256 indexed index,
            bytes32 indexed outputRoot,
            uint256 indexed l2BlockNumber,
            address proposer,
            address game,
            bytes32 l1BlockHash,
            uint256 l1BlockNumber
        );
        event Rejected(uint256 indexed index, address guardian);
        event Resolved(uint256 indexed index, address proposer, uint256 bond);
        event CreditPaid(address indexed account, address to, uint256 amount);
        /// OP's `DisputeGameFactory` event, beside `Proposed`.
        event DisputeGameCreated(address indexed disputeProxy, uint32 indexed gameType, bytes32 indexed rootClaim);

        error Assertions_NotStarted();
        error Assertions_AlreadyStarted();
        error Assertions_ZeroRoot();
        error Assertions_WrongBond(uint256 required);
        error Assertions_NotProposer(address caller);
        error Assertions_NotAhead(uint256 l2BlockNumber, uint256 latest);
        error Assertions_L1BlockMismatch(uint256 l1BlockNumber);
        error Assertions_Unknown(uint256 index);
        error Assertions_WindowOpen(uint256 until);
        error Assertions_WindowClosed(uint256 index);
        error Assertions_AlreadyRejected(uint256 index);
        error Assertions_AlreadyResolved(uint256 index);
        error Assertions_NoCredit(address account);
        error Assertions_PaymentFailed(address to);

        function initialize(
            address owner, address guardian, address proposer, uint64 challengeWindow, uint128 proposalBond
        ) external;
        function start(bytes32 genesisOutputRoot) external;
        function propose(bytes32 outputRoot, uint256 l2BlockNumber, bytes32 l1BlockHash, uint256 l1BlockNumber)
            external payable returns (uint256 index);
        function reject(uint256 index) external;
        function resolve(uint256 index) external;
        function withdrawCredit(address to) external;
        function credit(address account) external view returns (uint256);
        function FAULT_PROOFS() external view returns (bool);
        function genesisOutputRoot() external view returns (bytes32);
        function challengeWindow() external view returns (uint64);
        function proposalBond() external view returns (uint128);
        function treasury() external view returns (address);
        function PROPOSER_GRACE() external view returns (uint64);
        function proposalCount() external view returns (uint256);
        function proposal(uint256 index) external view returns (Proposal);
        /// The newest claim that was not rejected; `exists` is false before the first one.
        function latestProposal() external view returns (bool exists, uint256 index, Proposal proposal);
        /// Number of the newest standing claim; 0 before the first one.
        function latestBlockNumber() external view returns (uint256);
        function isFinal(uint256 index) external view returns (bool);
        function gameCount() external view returns (uint256);
        function gameAtIndex(uint256 index) external view returns (uint32 gameType, uint64 timestamp, address proxy);
        function findLatestGames(uint32 gameType, uint256 start, uint256 n)
            external view returns (GameSearchResult[] games);
        function isGameProper(address game) external view returns (bool);
        function isGameRespected(address game) external view returns (bool);
        function isGameFinalized(address game) external view returns (bool);
        function isGameClaimValid(address game) external view returns (bool);
        function respectedGameType() external view returns (uint32);
        function version() external view returns (string);
    }

    /// Roles of `Portal` (owner, guardian) and `Assertions` (owner, guardian, proposer).
    #[derive(Debug, PartialEq, Eq)]
    interface AccessControl {
        event RoleGranted(bytes32 indexed role, address indexed account, address indexed sender);
        event RoleRevoked(bytes32 indexed role, address indexed account, address indexed sender);

        /// The owner's role.
        function DEFAULT_ADMIN_ROLE() external view returns (bytes32);
        function GUARDIAN_ROLE() external view returns (bytes32);
        function PROPOSER_ROLE() external view returns (bytes32);
        function hasRole(bytes32 role, address account) external view returns (bool);
        function grantRole(bytes32 role, address account) external;
        function revokeRole(bytes32 role, address account) external;
        function renounceRole(bytes32 role, address callerConfirmation) external;
    }

    /// `OpenZeppelin`'s proxy; contracts behind it are UUPS, upgraded by their owner.
    #[derive(Debug, PartialEq, Eq)]
    interface ERC1967Proxy {
        event Upgraded(address indexed implementation);

        function upgradeToAndCall(address newImplementation, bytes data) external payable;
        function proxiableUUID() external view returns (bytes32);
    }

    /// `OpenZeppelin`'s timelock, the owner in production.
    #[derive(Debug, PartialEq, Eq)]
    interface TimelockController {
        function getMinDelay() external view returns (uint256);
        function schedule(
            address target, uint256 value, bytes data, bytes32 predecessor, bytes32 salt, uint256 delay
        ) external;
        function execute(address target, uint256 value, bytes payload, bytes32 predecessor, bytes32 salt)
            external payable;
        function hasRole(bytes32 role, address account) external view returns (bool);
    }

    /// An ERC-20 token, as far as tests and tools call it.
    #[derive(Debug, PartialEq, Eq)]
    interface ERC20 {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);

        function name() external view returns (string);
        function symbol() external view returns (string);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function approve(address spender, uint256 value) external returns (bool);
        function transfer(address to, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
    }

    /// Constructor arguments, ABI-encoded behind creation code: `ERC1967Proxy(implementation, initData)`.
    struct ProxyArgs {
        address implementation;
        bytes data;
    }

    /// Constructor arguments of `TimelockController`.
    struct TimelockArgs {
        uint256 minDelay;
        address[] proposers;
        address[] executors;
        address admin;
    }
}
