// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Predeploys} from "../libraries/Predeploys.sol";
import {OptimismMintableERC20} from "./OptimismMintableERC20.sol";
import {IOptimismMintableERC20Factory} from "./interfaces/IOptimismMintableERC20Factory.sol";

/// @title OptimismMintableERC20Factory
contract OptimismMintableERC20Factory is IOptimismMintableERC20Factory {
    uint8 private constant DEFAULT_DECIMALS = 18;

    /// @inheritdoc IOptimismMintableERC20Factory
    mapping(address localToken => address remoteToken) public deployments;

    /// @inheritdoc IOptimismMintableERC20Factory
    function createStandardL2Token(address remoteToken, string memory name, string memory symbol)
        external
        returns (address)
    {
        return _create(remoteToken, name, symbol, DEFAULT_DECIMALS);
    }

    /// @inheritdoc IOptimismMintableERC20Factory
    function createOptimismMintableERC20(address remoteToken, string memory name, string memory symbol)
        external
        returns (address)
    {
        return _create(remoteToken, name, symbol, DEFAULT_DECIMALS);
    }

    /// @inheritdoc IOptimismMintableERC20Factory
    function createOptimismMintableERC20WithDecimals(
        address remoteToken,
        string memory name,
        string memory symbol,
        uint8 decimals
    ) external returns (address) {
        return _create(remoteToken, name, symbol, decimals);
    }

    /// @inheritdoc IOptimismMintableERC20Factory
    function bridge() external pure returns (address) {
        return Predeploys.L2_STANDARD_BRIDGE;
    }

    /// @inheritdoc IOptimismMintableERC20Factory
    function version() external pure returns (string memory) {
        return "1.10.0";
    }

    function _create(address remoteToken, string memory name, string memory symbol, uint8 decimals)
        private
        returns (address localToken)
    {
        if (remoteToken == address(0)) revert OptimismMintableERC20Factory_ZeroRemoteToken();
        bytes32 salt = keccak256(abi.encode(remoteToken, name, symbol, decimals));
        localToken = address(
            new OptimismMintableERC20{salt: salt}(
                Predeploys.L2_STANDARD_BRIDGE, remoteToken, name, symbol, decimals
            )
        );
        deployments[localToken] = remoteToken;
        emit StandardL2TokenCreated(remoteToken, localToken);
        emit OptimismMintableERC20Created(localToken, remoteToken, msg.sender);
    }
}
