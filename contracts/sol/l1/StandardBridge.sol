// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Call} from "../libraries/Call.sol";
import {EOA} from "../libraries/EOA.sol";
import {IBridgeFinalizer} from "../libraries/IBridgeFinalizer.sol";
import {Predeploys} from "../libraries/Predeploys.sol";
import {IPortal} from "./interfaces/IPortal.sol";
import {IStandardBridge} from "./interfaces/IStandardBridge.sol";
import {ISystemConfig} from "./interfaces/ISystemConfig.sol";

/// @title StandardBridge
/// @dev Only deposits are guarded against reentrancy: they compare balances. Finalization must never be: anyone may
///      finalize anyone's withdrawal from inside a token's transfer, and what reverts then is lost. It is safe without,
///      since accounting changes before the payment.
contract StandardBridge is
    IStandardBridge,
    Initializable,
    OwnableUpgradeable,
    UUPSUpgradeable,
    ReentrancyGuardTransient
{
    using SafeERC20 for IERC20;

    address private constant ETHER = address(0);
    uint32 private constant RECEIVE_GAS_LIMIT = 200_000;
    /// @dev L2 gas of a deposit beside the receiver's: entry, mint and events, and the way back if it is refused.
    uint64 private constant L2_BASE_GAS = 280_000;
    /// @dev L2 gas per byte of `extraData`: calldata at EIP-7623's floor, copies, two logs, the way back.
    uint64 private constant L2_BYTE_GAS = 120;
    /// @dev Gas kept from a receiver on L1, so that a refusal can be written down.
    uint256 private constant CREDIT_GAS = 60_000;
    /// @dev The same per byte of `extraData`, for two events.
    uint256 private constant CREDIT_BYTE_GAS = 24;

    /// @inheritdoc IStandardBridge
    IPortal public portal;
    /// @inheritdoc IStandardBridge
    ISystemConfig public systemConfig;
    /// @inheritdoc IStandardBridge
    mapping(address localToken => mapping(address remoteToken => uint256)) public deposits;
    /// @inheritdoc IStandardBridge
    mapping(address token => mapping(address account => uint256)) public claimable;

    modifier onlyEOA() {
        if (!EOA.isSender()) revert StandardBridge_NotEOA();
        _;
    }

    modifier onlyOtherBridge() {
        if (msg.sender != address(portal) || portal.l2Sender() != Predeploys.L2_STANDARD_BRIDGE) {
            revert StandardBridge_NotOtherBridge();
        }
        _;
    }

    constructor() {
        _disableInitializers();
    }

    /// @notice Sends the value to the caller's account on L2.
    receive() external payable onlyEOA {
        _initiateETH(msg.sender, RECEIVE_GAS_LIMIT, "");
    }

    /// @inheritdoc IStandardBridge
    function initialize(address owner_, IPortal portal_, ISystemConfig systemConfig_) external initializer {
        __Ownable_init(owner_);
        portal = portal_;
        systemConfig = systemConfig_;
    }

    /// @inheritdoc IStandardBridge
    function depositETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyEOA {
        _initiateETH(msg.sender, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function depositETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _initiateETH(to, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function depositERC20(
        address l1Token,
        address l2Token,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyEOA {
        _initiateERC20(l1Token, l2Token, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function depositERC20To(
        address l1Token,
        address l2Token,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external {
        _initiateERC20(l1Token, l2Token, to, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeETH(uint32 minGasLimit, bytes calldata extraData) external payable onlyEOA {
        _initiateETH(msg.sender, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeETHTo(address to, uint32 minGasLimit, bytes calldata extraData) external payable {
        _initiateETH(to, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
    function bridgeERC20(
        address localToken,
        address remoteToken,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) external onlyEOA {
        _initiateERC20(localToken, remoteToken, msg.sender, amount, minGasLimit, extraData);
    }

    /// @inheritdoc IStandardBridge
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
        if (msg.value != amount) revert StandardBridge_WrongValue(amount);
        if (!Call.tryCall(to, _receiverGas(extraData), amount, "")) _credit(ETHER, to, amount);
        emit ETHWithdrawalFinalized(from, to, amount, extraData);
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
        uint256 deposited = deposits[localToken][remoteToken];
        if (amount > deposited) revert StandardBridge_InsufficientDeposits(deposited);
        deposits[localToken][remoteToken] = deposited - amount;
        if (!_tryTransfer(localToken, to, amount, extraData)) _credit(localToken, to, amount);
        emit ERC20WithdrawalFinalized(localToken, remoteToken, from, to, amount, extraData);
        emit ERC20BridgeFinalized(localToken, remoteToken, from, to, amount, extraData);
    }

    /// @inheritdoc IStandardBridge
    function collectFees() external payable {
        _credit(ETHER, systemConfig.feeRecipient(), msg.value);
    }

    /// @inheritdoc IStandardBridge
    function claim(address token, address to) external {
        uint256 amount = claimable[token][msg.sender];
        if (amount == 0) revert StandardBridge_NoCredit(msg.sender);
        claimable[token][msg.sender] = 0;
        emit Claimed(token, msg.sender, to, amount);
        if (token != ETHER) {
            IERC20(token).safeTransfer(to, amount);
        } else if (!Call.tryCall(to, gasleft(), amount, "")) {
            revert StandardBridge_PaymentFailed(to);
        }
    }

    /// @inheritdoc IStandardBridge
    function otherBridge() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @inheritdoc IStandardBridge
    function l2TokenBridge() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @inheritdoc IStandardBridge
    function version() external pure returns (string memory) {
        return "3.0.0";
    }

    function _initiateETH(address to, uint32 minGasLimit, bytes memory extraData) private {
        emit ETHDepositInitiated(msg.sender, to, msg.value, extraData);
        emit ETHBridgeInitiated(msg.sender, to, msg.value, extraData);
        bytes memory message =
            abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (msg.sender, to, msg.value, extraData));
        _send(msg.value, minGasLimit, message);
    }

    function _initiateERC20(
        address localToken,
        address remoteToken,
        address to,
        uint256 amount,
        uint32 minGasLimit,
        bytes calldata extraData
    ) private nonReentrant {
        uint256 received = _take(localToken, amount);
        deposits[localToken][remoteToken] += received;
        emit ERC20DepositInitiated(localToken, remoteToken, msg.sender, to, received, extraData);
        emit ERC20BridgeInitiated(localToken, remoteToken, msg.sender, to, received, extraData);
        bytes memory message = abi.encodeCall(
            IBridgeFinalizer.finalizeBridgeERC20,
            (remoteToken, localToken, msg.sender, to, received, extraData)
        );
        _send(0, minGasLimit, message);
    }

    /// @dev Counts what arrived, so that a token that keeps a fee cannot make pairs owe more than is held.
    function _take(address token, uint256 amount) private returns (uint256 received) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        received = IERC20(token).balanceOf(address(this)) - before;
        if (received == 0) revert StandardBridge_NothingReceived();
    }

    function _send(uint256 value, uint32 minGasLimit, bytes memory message) private {
        uint64 gasLimit = uint64(minGasLimit) + L2_BASE_GAS + L2_BYTE_GAS * uint64(message.length);
        portal.depositTransaction{value: value}(
            Predeploys.L2_STANDARD_BRIDGE, value, gasLimit, false, message
        );
    }

    /// @dev False if the token reverts or answers false; the token may have no code.
    function _tryTransfer(address token, address to, uint256 amount, bytes calldata extraData)
        private
        returns (bool)
    {
        bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
        uint256 gasLimit = _receiverGas(extraData);
        bool success;
        bool answered;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            success := call(gasLimit, token, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            answered := or(iszero(returndatasize()), and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1)))
        }
        return success && answered && token.code.length != 0;
    }

    function _receiverGas(bytes calldata extraData) private view returns (uint256) {
        uint256 kept = CREDIT_GAS + CREDIT_BYTE_GAS * extraData.length;
        return gasleft() > kept ? gasleft() - kept : 0;
    }

    function _credit(address token, address account, uint256 amount) private {
        claimable[token][account] += amount;
        emit Credited(token, account, amount);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}
