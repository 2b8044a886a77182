// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {ILegacyMintableERC20, IOptimismMintableERC20} from "./interfaces/IOptimismMintableERC20.sol";

/// @title OptimismMintableERC20
contract OptimismMintableERC20 is IOptimismMintableERC20, ILegacyMintableERC20, ERC20 {
    /// @inheritdoc IOptimismMintableERC20
    address public immutable bridge;
    /// @inheritdoc IOptimismMintableERC20
    address public immutable remoteToken;
    uint8 private immutable _decimals;

    modifier onlyBridge() {
        if (msg.sender != bridge) revert OptimismMintableERC20_NotBridge(msg.sender);
        _;
    }

    /// @param bridge_ May mint and burn.
    /// @param remoteToken_ The token on L1.
    /// @param name_ Name.
    /// @param symbol_ Symbol.
    /// @param decimals_ Decimals; must be those of the token on L1.
    constructor(
        address bridge_,
        address remoteToken_,
        string memory name_,
        string memory symbol_,
        uint8 decimals_
    ) ERC20(name_, symbol_) {
        bridge = bridge_;
        remoteToken = remoteToken_;
        _decimals = decimals_;
    }

    /// @inheritdoc IOptimismMintableERC20
    function mint(address to, uint256 amount)
        external
        override(IOptimismMintableERC20, ILegacyMintableERC20)
        onlyBridge
    {
        _mint(to, amount);
        emit Mint(to, amount);
    }

    /// @inheritdoc IOptimismMintableERC20
    function burn(address from, uint256 amount)
        external
        override(IOptimismMintableERC20, ILegacyMintableERC20)
        onlyBridge
    {
        _burn(from, amount);
        emit Burn(from, amount);
    }

    /// @inheritdoc ILegacyMintableERC20
    function l1Token() external view returns (address) {
        return remoteToken;
    }

    /// @notice OP's older name of `bridge`.
    function l2Bridge() external view returns (address) {
        return bridge;
    }

    /// @inheritdoc ERC20
    function decimals() public view override returns (uint8) {
        return _decimals;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == type(IERC165).interfaceId || id == type(ILegacyMintableERC20).interfaceId
            || id == _mintableInterfaceId();
    }

    /// @dev OP's id is over these four functions.
    function _mintableInterfaceId() private pure returns (bytes4) {
        return IOptimismMintableERC20.remoteToken.selector ^ IOptimismMintableERC20.bridge.selector
            ^ IOptimismMintableERC20.mint.selector ^ IOptimismMintableERC20.burn.selector;
    }
}
