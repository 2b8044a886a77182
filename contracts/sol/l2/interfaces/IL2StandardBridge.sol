// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IBridgeEvents} from "../../libraries/IBridgeEvents.sol";
import {IBridgeFinalizer} from "../../libraries/IBridgeFinalizer.sol";

/// @title L2StandardBridge
/// @notice L2's end of the bridge: burns what leaves, mints what arrives. ABI and events are OP's `L2StandardBridge`.
/// @dev Trust: what L1's bridge says is believed. What cannot be paid here goes back to its sender on L1.
interface IL2StandardBridge is IBridgeEvents, IBridgeFinalizer {
    /// @notice OP's older name of both `…BridgeInitiated`; ether is l1Token 0, l2Token 0xDeaD…0000.
    event WithdrawalInitiated(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );
    /// @notice OP's older name of both `…BridgeFinalized`.
    event DepositFinalized(
        address indexed l1Token,
        address indexed l2Token,
        address indexed from,
        address to,
        uint256 amount,
        bytes extraData
    );

    /// @notice Contracts must name a receiver, since their own address is not theirs on L1.
    error L2StandardBridge_NotEOA();
    /// @notice Only L1's bridge.
    error L2StandardBridge_NotOtherBridge();
    /// @notice The value sent is not the amount.
    error L2StandardBridge_WrongValue(uint256 amount);
    /// @notice The token does not belong to the other one, or not to this bridge.
    error L2StandardBridge_WrongPair(address localToken, address remoteToken);

    /// @notice Withdraws to the caller's account on L1. `l2Token` 0xDeaD…0000 is ether.
    /// @param minGasLimit Gas that the receiver's code gets on L1.
    /// @param extraData Passed on in events only.
    function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable;

    /// @notice Withdraws to `to` on L1.
    function withdrawTo(
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable;

    /// @notice Withdraws the value to the caller's account on L1.
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Withdraws the value to `to` on L1.
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable;

    /// @notice Withdraws tokens to the caller's account on L1.
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @notice Withdraws tokens to `to` on L1.
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external;

    /// @return L1's bridge.
    function otherBridge() external view returns (address);

    /// @return L1's bridge, under its older name.
    function l1TokenBridge() external view returns (address);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
