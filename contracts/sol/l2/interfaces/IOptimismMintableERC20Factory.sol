// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title OptimismMintableERC20Factory
/// @notice Creates bridged tokens at addresses that follow from their arguments.
interface IOptimismMintableERC20Factory {
    /// @notice OP's older name of `OptimismMintableERC20Created`.
    event StandardL2TokenCreated(address indexed remoteToken, address indexed localToken);
    /// @notice A token was created.
    event OptimismMintableERC20Created(
        address indexed localToken, address indexed remoteToken, address deployer
    );

    /// @notice A bridged token belongs to a token on L1.
    error OptimismMintableERC20Factory_ZeroRemoteToken();

    /// @notice OP's older name of `createOptimismMintableERC20`.
    function createStandardL2Token(address remoteToken, string memory name, string memory symbol)
        external
        returns (address);

    /// @notice Creates a token with 18 decimals.
    function createOptimismMintableERC20(address remoteToken, string memory name, string memory symbol)
        external
        returns (address);

    /// @notice Creates a token.
    function createOptimismMintableERC20WithDecimals(
        address remoteToken,
        string memory name,
        string memory symbol,
        uint8 decimals
    ) external returns (address);

    /// @return remoteToken Token on L1 of a token created here; zero for any other.
    function deployments(address localToken) external view returns (address remoteToken);

    /// @return L2's bridge.
    function bridge() external view returns (address);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
