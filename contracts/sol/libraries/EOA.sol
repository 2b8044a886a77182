// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Tells accounts that a key controls from contracts.
library EOA {
    /// @return Whether the caller is an account with a key, also when it delegates its code (EIP-7702).
    /// @dev Only such an account is the same person on L1 and L2; a contract's address is aliased.
    function isSender() internal view returns (bool) {
        return msg.sender == tx.origin || isDelegated(msg.sender);
    }

    /// @return Whether the code of `account` is an EIP-7702 designator, `0xef0100 ++ address`.
    function isDelegated(address account) internal view returns (bool) {
        if (account.code.length != 23) return false;
        bytes memory code = account.code;
        return bytes3(code) == 0xef0100;
    }
}
