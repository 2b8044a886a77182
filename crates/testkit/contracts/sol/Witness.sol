// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Looks at balances and codes that others change, and writes down what it saw.
contract Witness {
    mapping(address seen => uint256) public balances;
    mapping(address seen => bytes32) public codes;
    uint256 public total;

    /// @notice Balances of `who`, each into its slot and all into one.
    function look(address[] calldata who) external {
        uint256 sum;
        for (uint256 i; i < who.length; ++i) {
            balances[who[i]] = who[i].balance;
            sum += who[i].balance;
        }
        total = sum;
    }

    /// @notice The balance of the fee recipient, which every earlier transaction of the block has raised.
    function lookAtFees() external {
        balances[block.coinbase] = block.coinbase.balance;
    }

    /// @notice The balance of the caller, already without the price of the gas limit.
    function lookAtSelf() external {
        balances[msg.sender] = msg.sender.balance;
        balances[address(this)] = address(this).balance;
    }

    /// @notice Code hash and size of `who`: 0, empty, or a contract, depending on what came before.
    function lookAtCode(address who) external {
        codes[who] = keccak256(abi.encode(who.codehash, who.code.length));
    }

    /// @notice Goes another way if the fee recipient has more than `wei_`.
    function branch(uint256 wei_) external {
        if (block.coinbase.balance > wei_) total += 1;
        else balances[msg.sender] += 1;
    }

    /// @notice Pays `to` all that is here; how much depends on who paid before.
    function sweep(address payable to) external {
        (bool paid,) = to.call{value: address(this).balance}("");
        require(paid);
    }

    receive() external payable {}
}
