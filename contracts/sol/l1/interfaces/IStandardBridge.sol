// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBridgeEvents} from "../../libraries/IBridgeEvents.sol";
import {IBridgeFinalizer} from "../../libraries/IBridgeFinalizer.sol";
import {IPortal} from "./IPortal.sol";
import {ISystemConfig} from "./ISystemConfig.sol";

/// @title StandardBridge
/// @notice L1's end of the bridge: ether and ERC-20 tokens go to L2, where the other end pays or mints. ABI and events
///         are OP's `L1StandardBridge`.
/// @dev Trust: what L2's bridge says is believed, through the portal. Tokens are counted per pair of L1 and L2 token,
///      so an L2 token of an attacker can only take what was deposited for that very token. Tokens whose balances
///      change by themselves are not supported; fees on transfer are (what arrived counts). There is no messenger:
///      messages go through the portal directly, and a payment that its receiver refuses becomes credit to `claim`.
interface IStandardBridge is IBridgeEvents, IBridgeFinalizer {
    /// @notice OP's older name of `ETHBridgeInitiated`.
    event ETHDepositInitiated(address indexed from, address indexed to, uint256 amount, bytes extraData);
    /// @notice OP's older name of `ETHBridgeFinalized`.
    event ETHWithdrawalFinalized(address indexed from, address indexed to, uint256 amount, bytes extraData);
    /// @notice OP's older name of `ERC20BridgeInitiated`.
    event ERC20DepositInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice OP's older name of `ERC20BridgeFinalized`.
    event ERC20WithdrawalFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice A payment that its receiver refused, or fees from L2, can be claimed. `token` zero is ether.
    event Credited(address indexed token, address indexed account, uint256 amount);
    /// @notice Credit was paid out.
    event Claimed(address indexed token, address indexed account, address to, uint256 amount);

    /// @notice Contracts must name a receiver, since their own address is not theirs on L2.
    error StandardBridge_NotEOA();
    /// @notice Only L2's bridge, through the portal.
    error StandardBridge_NotOtherBridge();
    /// @notice The value sent is not the amount.
    error StandardBridge_WrongValue(uint256 amount);
    /// @notice More than was deposited for this pair.
    error StandardBridge_InsufficientDeposits(uint256 deposited);
    /// @notice Nothing arrived.
    error StandardBridge_NothingReceived();
    /// @notice Nothing to pay.
    error StandardBridge_NoCredit(address account);
    /// @notice The receiver refused.
    error StandardBridge_PaymentFailed(address to);

    /// @notice Sets owner and portal; called once, by the proxy's constructor.
    /// @param owner May upgrade.
    /// @param portal Carries messages.
    /// @param systemConfig Names the receiver of fees.
    function initialize(address owner, IPortal portal, ISystemConfig systemConfig) external;

    /// @notice Sends the value to the caller's account on L2.
    /// @param minGasLimit Gas that the receiver's code gets on L2.
    /// @param extraData Passed on in events only.
    function depositETH(uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Sends the value to `to` on L2.
    function depositETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Sends tokens to the caller's account on L2.
    /// @param l2Token An `OptimismMintableERC20` on L2 whose remote token is `l1Token`.
    function depositERC20(
        address l1Token,
        address l2Token,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Sends tokens to `to` on L2.
    function depositERC20To(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Newer name of `depositETH`.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Newer name of `depositETHTo`.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Newer name of `depositERC20`.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Newer name of `depositERC20To`.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Takes fees from L2's vaults, as credit of `SystemConfig.feeRecipient`. Anyone may give.
    function collectFees() external payable;

    /// @notice Pays the caller's credit to `to`. `token` zero is ether.
    function claim(address token, address to) external;

    /// @return Credit of `account`.
    function claimable(address token, address account) external view returns (uint256);

    /// @return Tokens held for the pair.
    function deposits(address localToken, address remoteToken) external view returns (uint256);

    /// @return L2's bridge.
    function otherBridge() external pure returns (address);

    /// @return L2's bridge, under its older name.
    function l2TokenBridge() external pure returns (address);

    /// @return The portal.
    function portal() external view returns (IPortal);

    /// @return The system configuration.
    function systemConfig() external view returns (ISystemConfig);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
