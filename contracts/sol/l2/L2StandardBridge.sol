// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AddressAliasHelper} from "../libraries/AddressAliasHelper.sol";
import {Call} from "../libraries/Call.sol";
import {EOA} from "../libraries/EOA.sol";
import {IBridgeFinalizer} from "../libraries/IBridgeFinalizer.sol";
import {Predeploys} from "../libraries/Predeploys.sol";
import {IL2StandardBridge} from "./interfaces/IL2StandardBridge.sol";
import {IL2ToL1MessagePasser} from "./interfaces/IL2ToL1MessagePasser.sol";
import {IOptimismMintableERC20} from "./interfaces/IOptimismMintableERC20.sol";

/// @title L2StandardBridge
/// @dev Needs no guard against reentrancy: it keeps no accounts, only burns before it sends and mints what arrived.
contract L2StandardBridge is IL2StandardBridge {
    uint32 private constant RECEIVE_GAS_LIMIT = 200_000;
    /// @dev L1 gas of a withdrawal beside the receiver's: entry, accounting, transfer or credit, events.
    uint256 private constant L1_BASE_GAS = 250_000;
    /// @dev L1 gas per byte of the message.
    uint256 private constant L1_BYTE_GAS = 64;
    /// @dev Gas kept from a receiver, so that what it refuses can go back.
    uint256 private constant REFUND_GAS = 130_000;
    /// @dev The same per byte of `extraData`.
    uint256 private constant REFUND_BYTE_GAS = 60;

    /// @inheritdoc IL2StandardBridge
    address public otherBridge; // slot 0, set at genesis

    modifier onlyEOA() {
        if (!EOA.isSender()) revert L2StandardBridge_NotEOA();
        _;
    }

    modifier onlyOtherBridge() {
        if (msg.sender != AddressAliasHelper.applyL1ToL2Alias(otherBridge)) {
            revert L2StandardBridge_NotOtherBridge();
        }
        _;
    }

    /// @notice Withdraws the value to the caller's account on L1.
    receive() external payable onlyEOA {
        _initiateETH(msg.sender, msg.sender, msg.value, RECEIVE_GAS_LIMIT, "");
    }

    /// @inheritdoc IL2StandardBridge
    function withdraw(address l2Token, uint256 amount, uint32 minGasLimit, bytes calldata extraData)
        external
        payable
        onlyEOA
    {
        _withdraw(l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function withdrawTo(
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external payable {
        _withdraw(l2Token, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyEOA {
        _initiateETH(msg.sender, msg.sender, msg.value, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _initiateETH(msg.sender, to, msg.value, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyEOA {
        _initiateERC20(localToken, remoteToken, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function bridgeERC20To(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _initiateERC20(localToken, remoteToken, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IBridgeFinalizer
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData)
        external
        payable
        onlyOtherBridge
    {
        if (msg.value != amount) revert L2StandardBridge_WrongValue(amount);
        if (!Call.tryCall(to, _receiverGas(extraData), amount, "")) {
            return _initiateETH(to, from, amount, 0, extraData);
        }
        emit DepositFinalized(address(0), Predeploys.LEGACY_ERC20_ETH, from, to, amount, extraData);
        emit ETHBridgeFinalized(from, to, amount, extraData);
    }

    /// @inheritdoc IBridgeFinalizer
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external onlyOtherBridge {
        if (!_tryMint(localToken, remoteToken, to, amount, _receiverGas(extraData))) {
            return _sendERC20(localToken, remoteToken, to, from, amount, 0, extraData);
        }
        emit DepositFinalized(remoteToken, localToken, from, to, amount, extraData);
        emit ERC20BridgeFinalized(localToken, remoteToken, from, to, amount, extraData);
    }

    /// @inheritdoc IL2StandardBridge
    function l1TokenBridge() external view returns (address) {
        return otherBridge;
    }

    /// @inheritdoc IL2StandardBridge
    function version() external pure returns (string memory) {
        return "2.0.0";
    }

    function _withdraw(
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private {
        if (l2Token == Predeploys.LEGACY_ERC20_ETH) {
            if (msg.value != amount) revert L2StandardBridge_WrongValue(amount);
            return _initiateETH(msg.sender, to, amount, minGasLimit, extraData);
        }
        if (msg.value != 0) revert L2StandardBridge_WrongValue(0);
        address remoteToken = IOptimismMintableERC20(l2Token).remoteToken();
        _initiateERC20(l2Token, remoteToken, to, amount, minGasLimit, extraData);
    }

    function _initiateETH(
        address from,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes memory extraData
    ) private {
        emit WithdrawalInitiated(address(0), Predeploys.LEGACY_ERC20_ETH, from, to, amount, extraData);
        emit ETHBridgeInitiated(from, to, amount, extraData);
        _send(
            amount,
            minGasLimit,
            abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (from, to, amount, extraData))
        );
    }

    function _initiateERC20(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private {
        // A token that lies here can only withdraw what was deposited for itself: L1 counts per pair.
        if (IOptimismMintableERC20(localToken).remoteToken() != remoteToken) {
            revert L2StandardBridge_WrongPair(localToken, remoteToken);
        }
        IOptimismMintableERC20(localToken).burn(msg.sender, amount);
        _sendERC20(localToken, remoteToken, msg.sender, to, amount, minGasLimit, extraData);
    }

    function _sendERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private {
        emit WithdrawalInitiated(remoteToken, localToken, from, to, amount, extraData);
        emit ERC20BridgeInitiated(localToken, remoteToken, from, to, amount, extraData);
        bytes memory message = abi.encodeCall(
            IBridgeFinalizer.finalizeBridgeERC20, (remoteToken, localToken, from, to, amount, extraData)
        );
        _send(0, minGasLimit, message);
    }

    function _send(uint256 value, uint32 minGasLimit, bytes memory message) private {
        uint256 gasLimit = minGasLimit + L1_BASE_GAS + L1_BYTE_GAS * message.length;
        IL2ToL1MessagePasser(Predeploys.L2_TO_L1_MESSAGE_PASSER).initiateWithdrawal{value: value}(
            otherBridge, gasLimit, message
        );
    }

    /// @dev Mints only tokens of the right pair; everything that can fail or burn gas happens with limited gas.
    function _tryMint(address localToken, address remoteToken, address to, uint256 amount, uint256 gasLimit)
        private
        returns (bool)
    {
        return Call.tryCall(
            address(this), gasLimit, 0, abi.encodeCall(this.mintPaired, (localToken, remoteToken, to, amount))
        );
    }

    /// @notice Mints tokens if both tokens belong together. Only for this contract, which survives its failure.
    function mintPaired(address localToken, address remoteToken, address to, uint256 amount) external {
        if (msg.sender != address(this)) revert L2StandardBridge_NotOtherBridge();
        if (IOptimismMintableERC20(localToken).remoteToken() != remoteToken) {
            revert L2StandardBridge_WrongPair(localToken, remoteToken);
        }
        IOptimismMintableERC20(localToken).mint(to, amount);
    }

    function _receiverGas(bytes calldata extraData) private view returns (uint256) {
        uint256 kept = REFUND_GAS + REFUND_BYTE_GAS * extraData.length;
        return gasleft() > kept ? gasleft() - kept : 0;
    }
}
