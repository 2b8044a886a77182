// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title WETH9
/// @notice Ether as an ERC-20 token, with the ABI and events of mainnet's WETH9.
contract WETH9 is ERC20 {
    /// @notice Ether came in.
    event Deposit(address indexed dst, uint256 wad);
    /// @notice Ether went out.
    event Withdrawal(address indexed src, uint256 wad);

    /// @notice The caller cannot take ether.
    error WETH9_PaymentFailed(address to);

    constructor() ERC20("", "") {}

    /// @notice Wraps the value sent.
    receive() external payable {
        deposit();
    }

    /// @notice Wraps the value sent, as WETH9 does for any unknown call.
    fallback() external payable {
        deposit();
    }

    /// @notice Wraps the value sent.
    function deposit() public payable {
        _mint(msg.sender, msg.value);
        emit Deposit(msg.sender, msg.value);
    }

    /// @notice Unwraps `wad`.
    function withdraw(uint256 wad) external {
        _burn(msg.sender, wad);
        emit Withdrawal(msg.sender, wad);
        (bool paid,) = msg.sender.call{value: wad}("");
        if (!paid) revert WETH9_PaymentFailed(msg.sender);
    }

    /// @return Wrapped ether. A forced transfer to this contract counts, as in WETH9.
    function totalSupply() public view override returns (uint256) {
        return address(this).balance;
    }

    /// @return "Wrapped Ether". Constant, because genesis places this code without running a constructor.
    function name() public pure override returns (string memory) {
        return "Wrapped Ether";
    }

    /// @return "WETH".
    function symbol() public pure override returns (string memory) {
        return "WETH";
    }
}
