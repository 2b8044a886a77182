//! Calls, events and errors of the predeploys on L2, with the ABI of the OP Stack.

#![allow(missing_docs, clippy::too_many_arguments)] // Solidity's own documentation is in `contracts/sol/l2/interfaces`.

use alloy_sol_types::sol;

sol! {
    /// What L2 knows about L1.
    #[derive(Debug, PartialEq, Eq)]
    interface L1Block {
        error NotDepositor();

        /// Arguments follow the selector packed: `u32 baseFeeScalar ++ u32 blobBaseFeeScalar ++ u64 sequenceNumber
        /// ++ u64 timestamp ++ u64 number ++ u256 basefee ++ u256 blobBaseFee ++ bytes32 hash ++ bytes32 batcherHash
        /// ++ u32 operatorFeeScalar ++ u64 operatorFeeConstant ++ u16 daFootprintGasScalar`.
        function setL1BlockValuesJovian() external;
        function DEPOSITOR_ACCOUNT() external pure returns (address);
        function number() external view returns (uint64);
        function timestamp() external view returns (uint64);
        function basefee() external view returns (uint256);
        function hash() external view returns (bytes32);
        function sequenceNumber() external view returns (uint64);
        function blobBaseFeeScalar() external view returns (uint32);
        function baseFeeScalar() external view returns (uint32);
        function batcherHash() external view returns (bytes32);
        function l1FeeOverhead() external view returns (uint256);
        function l1FeeScalar() external view returns (uint256);
        function blobBaseFee() external view returns (uint256);
        function operatorFeeConstant() external view returns (uint64);
        function operatorFeeScalar() external view returns (uint32);
        function daFootprintGasScalar() external view returns (uint16);
        function version() external pure returns (string);
    }

    /// Records messages to L1.
    #[derive(Debug, PartialEq, Eq)]
    interface L2ToL1MessagePasser {
        event MessagePassed(
            uint256 indexed nonce,
            address indexed sender,
            address indexed target,
            uint256 value,
            uint256 gasLimit,
            bytes data,
            bytes32 withdrawalHash
        );
        event WithdrawerBalanceBurnt(uint256 indexed amount);

        function initiateWithdrawal(address target, uint256 gasLimit, bytes data) external payable;
        function burn() external;
        function messageNonce() external view returns (uint256);
        function sentMessages(bytes32 withdrawalHash) external view returns (bool);
        function MESSAGE_VERSION() external view returns (uint16);
        function version() external pure returns (string);
    }

    /// The preimage of a withdrawal hash: `keccak256(abi.encode(..))` of these six words.
    #[derive(Debug, PartialEq, Eq)]
    struct Withdrawal {
        uint256 nonce;
        address sender;
        address target;
        uint256 value;
        uint256 gasLimit;
        bytes data;
    }

    /// Answers what a transaction pays beside its L2 gas.
    #[derive(Debug, PartialEq, Eq)]
    interface GasPriceOracle {
        function getL1Fee(bytes data) external view returns (uint256);
        function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);
        function getL1GasUsed(bytes data) external view returns (uint256);
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
        function gasPrice() external view returns (uint256);
        function baseFee() external view returns (uint256);
        function l1BaseFee() external view returns (uint256);
        function blobBaseFee() external view returns (uint256);
        function baseFeeScalar() external view returns (uint32);
        function blobBaseFeeScalar() external view returns (uint32);
        function decimals() external pure returns (uint256);
        function isEcotone() external pure returns (bool);
        function isFjord() external pure returns (bool);
        function isIsthmus() external pure returns (bool);
        function isJovian() external pure returns (bool);
        function version() external pure returns (string);
    }

    /// L2's end of the bridge.
    #[derive(Debug, PartialEq, Eq)]
    interface L2StandardBridge {
        event WithdrawalInitiated(
            address indexed l1Token, address indexed l2Token, address indexed from,
            address to, uint256 amount, bytes extraData
        );
        event DepositFinalized(
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

        error L2StandardBridge_NotEOA();
        error L2StandardBridge_NotOtherBridge();
        error L2StandardBridge_WrongValue(uint256 amount);
        error L2StandardBridge_WrongPair(address localToken, address remoteToken);

        function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes extraData) external payable;
        function withdrawTo(address l2Token, address to, uint256 amount, uint32 minGasLimit, bytes extraData)
            external payable;
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
        function otherBridge() external view returns (address);
        function l1TokenBridge() external view returns (address);
        function version() external pure returns (string);
    }

    /// Creates bridgeable tokens.
    #[derive(Debug, PartialEq, Eq)]
    interface OptimismMintableERC20Factory {
        event StandardL2TokenCreated(address indexed remoteToken, address indexed localToken);
        event OptimismMintableERC20Created(
            address indexed localToken, address indexed remoteToken, address deployer
        );

        function createStandardL2Token(address remoteToken, string name, string symbol)
            external returns (address);
        function createOptimismMintableERC20(address remoteToken, string name, string symbol)
            external returns (address);
        function createOptimismMintableERC20WithDecimals(
            address remoteToken, string name, string symbol, uint8 decimals
        ) external returns (address);
        function deployments(address localToken) external view returns (address remoteToken);
        function bridge() external view returns (address);
        function version() external pure returns (string);
    }

    /// A token that the bridge mints and burns.
    #[derive(Debug, PartialEq, Eq)]
    interface OptimismMintableERC20 {
        event Mint(address indexed account, uint256 amount);
        event Burn(address indexed account, uint256 amount);
        event Transfer(address indexed from, address indexed to, uint256 value);

        function mint(address to, uint256 amount) external;
        function burn(address from, uint256 amount) external;
        function remoteToken() external view returns (address);
        function l1Token() external view returns (address);
        function l2Bridge() external view returns (address);
        function bridge() external view returns (address);
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

    /// Collects fees and sends them to L1's `StandardBridge.collectFees`.
    #[derive(Debug, PartialEq, Eq)]
    interface FeeVault {
        event Withdrawal(uint256 value, address to, address from, uint8 withdrawalNetwork);

        error FeeVault_TooLittle(uint256 balance);

        function withdraw() external returns (uint256 value);
        function totalProcessed() external view returns (uint256);
        function minWithdrawalAmount() external view returns (uint256);
        function recipient() external view returns (address);
        function version() external pure returns (string);
    }
}
