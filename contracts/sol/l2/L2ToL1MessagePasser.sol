// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hashing} from "../libraries/Hashing.sol";
import {Types} from "../libraries/Types.sol";
import {IL2ToL1MessagePasser} from "./interfaces/IL2ToL1MessagePasser.sol";

/// @title L2ToL1MessagePasser
contract L2ToL1MessagePasser is IL2ToL1MessagePasser {
    uint256 private constant RECEIVE_GAS_LIMIT = 100_000;
    /// @inheritdoc IL2ToL1MessagePasser
    uint16 public constant MESSAGE_VERSION = 1;

    /// @inheritdoc IL2ToL1MessagePasser
    mapping(bytes32 withdrawalHash => bool) public sentMessages; // slot 0: withdrawal proofs rely on it
    uint240 private _counter; // slot 1

    /// @notice Withdraws the value to the caller's address on L1.
    receive() external payable {
        initiateWithdrawal(msg.sender, RECEIVE_GAS_LIMIT, "");
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function initiateWithdrawal(address target, uint256 gasLimit, bytes memory data) public payable {
        uint256 nonce = messageNonce();
        bytes32 hash = Hashing.withdrawalHash(
            Types.WithdrawalTransaction(nonce, msg.sender, target, msg.value, gasLimit, data)
        );
        sentMessages[hash] = true;
        ++_counter;
        emit MessagePassed(nonce, msg.sender, target, msg.value, gasLimit, data, hash);
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function burn() external {
        uint256 amount = address(this).balance;
        new Burner{value: amount}();
        emit WithdrawerBalanceBurnt(amount);
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function messageNonce() public view returns (uint256) {
        return (uint256(MESSAGE_VERSION) << 240) | _counter;
    }

    /// @inheritdoc IL2ToL1MessagePasser
    function version() external pure returns (string memory) {
        return "1.2.0";
    }
}

/// @dev Takes its ether out of existence: a contract destroyed where it was created leaves nothing (EIP-6780).
contract Burner {
    constructor() payable {
        assembly {
            selfdestruct(address())
        }
    }
}
