// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Calls whose return data cannot cost the caller anything.
library Call {
    /// @notice Calls `target` with at most `gasLimit` gas and copies no return data.
    /// @return success Whether the call returned.
    function tryCall(address target, uint256 gasLimit, uint256 value, bytes memory data)
        internal
        returns (bool success)
    {
        assembly ("memory-safe") {
            success := call(gasLimit, target, value, add(data, 0x20), mload(data), 0, 0)
        }
    }

    /// @notice Whether a call made now can be given `minGas`, with `reserved` gas left after it.
    /// @dev EIP-150 hands over at most 63/64 of what remains; 40,000 covers the call's own cost (EIP-2929,
    ///      value transfer, new account).
    function hasMinGas(uint256 minGas, uint256 reserved) internal view returns (bool) {
        if (minGas > type(uint64).max) return false;
        return gasleft() * 63 >= minGas * 64 + (40_000 + reserved) * 63;
    }
}
