// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStandardBridge} from "../l1/interfaces/IStandardBridge.sol";
import {Predeploys} from "../libraries/Predeploys.sol";
import {IFeeVault} from "./interfaces/IFeeVault.sol";
import {IL2StandardBridge} from "./interfaces/IL2StandardBridge.sol";
import {IL2ToL1MessagePasser} from "./interfaces/IL2ToL1MessagePasser.sol";

/// @title FeeVault
contract FeeVault is IFeeVault {
    uint256 private constant MIN_WITHDRAWAL_AMOUNT = 0.1 ether;
    uint256 private constant L1_GAS_LIMIT = 200_000;
    uint8 private constant L1 = 0;

    /// @inheritdoc IFeeVault
    uint256 public totalProcessed; // slot 0

    /// @notice Takes fees.
    receive() external payable {}

    /// @inheritdoc IFeeVault
    function withdraw() external returns (uint256 value) {
        value = address(this).balance;
        if (value < MIN_WITHDRAWAL_AMOUNT) revert FeeVault_TooLittle(value);
        totalProcessed += value;
        emit Withdrawal(value, recipient(), msg.sender, L1);
        IL2ToL1MessagePasser(Predeploys.L2_TO_L1_MESSAGE_PASSER).initiateWithdrawal{value: value}(
            recipient(), L1_GAS_LIMIT, abi.encodeCall(IStandardBridge.collectFees, ())
        );
    }

    /// @inheritdoc IFeeVault
    function minWithdrawalAmount() external pure returns (uint256) {
        return MIN_WITHDRAWAL_AMOUNT;
    }

    /// @inheritdoc IFeeVault
    function recipient() public view returns (address) {
        return IL2StandardBridge(Predeploys.L2_STANDARD_BRIDGE).otherBridge();
    }

    /// @inheritdoc IFeeVault
    function version() external pure returns (string memory) {
        return "1.6.0";
    }
}
