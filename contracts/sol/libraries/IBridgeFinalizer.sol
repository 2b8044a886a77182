// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What one end of the bridge calls on the other.
interface IBridgeFinalizer {
    /// @notice Pays ether that the other end took. Only for the other end.
    function finalizeBridgeETH(address from, address to, uint256 amount, bytes calldata extraData)
        external
        payable;

    /// @notice Pays tokens that the other end took; "local" is this chain. Only for the other end.
    function finalizeBridgeERC20(
        address localToken,
        address remoteToken,
        address from,
        address to,
        uint256 amount,
        bytes calldata extraData
    ) external;
}
