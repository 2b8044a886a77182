// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What an account delegates to (EIP-7702): several calls in one transaction.
contract Wallet {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    /// @notice Calls made so far, in the storage of the account.
    uint256 public made;

    error Wallet_NotSelf();
    error Wallet_Failed(uint256 call);

    function execute(Call[] calldata calls) external payable {
        if (msg.sender != address(this)) revert Wallet_NotSelf();
        for (uint256 i; i < calls.length; ++i) {
            (bool done,) = calls[i].to.call{value: calls[i].value}(calls[i].data);
            if (!done) revert Wallet_Failed(i);
        }
        made += calls.length;
    }

    /// @notice Ether that comes to a delegated account is counted in its storage.
    receive() external payable {
        made += 1;
    }
}

/// @notice Another one to delegate to: counts elsewhere and refuses ether.
contract Miser {
    mapping(address caller => uint256) public knocks;

    function knock() external {
        knocks[msg.sender] += 1;
    }
}
