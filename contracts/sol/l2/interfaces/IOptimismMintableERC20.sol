// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

/// @notice OP's older interface of a bridged token.
interface ILegacyMintableERC20 is IERC165 {
    /// @return The token on L1.
    function l1Token() external view returns (address);

    /// @notice Creates tokens. Bridge only.
    function mint(address to, uint256 amount) external;

    /// @notice Destroys tokens. Bridge only.
    function burn(address from, uint256 amount) external;
}

/// @title OptimismMintableERC20
/// @notice A token of L1 on L2: the bridge mints what arrives and burns what leaves.
interface IOptimismMintableERC20 is IERC165 {
    /// @notice The bridge created tokens.
    event Mint(address indexed account, uint256 amount);
    /// @notice The bridge destroyed tokens.
    event Burn(address indexed account, uint256 amount);

    /// @notice Only the bridge mints and burns.
    error OptimismMintableERC20_NotBridge(address caller);

    /// @notice Creates tokens. Bridge only.
    function mint(address to, uint256 amount) external;

    /// @notice Destroys tokens. Bridge only.
    function burn(address from, uint256 amount) external;

    /// @return The token on L1.
    function remoteToken() external view returns (address);

    /// @return The bridge.
    function bridge() external view returns (address);
}
