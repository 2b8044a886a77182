// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @notice A public sale of numbered tokens: everybody who pays takes the next number.
contract Drop is ERC721 {
    uint256 public constant PRICE = 0.02 ether;
    uint256 public constant MAX_PER_WALLET = 20;

    /// @notice Tokens sold so far: the slot that all mints share.
    uint256 public sold;
    mapping(address buyer => uint256) public bought;

    error Drop_WrongPayment(uint256 paid);
    error Drop_TooMany(address buyer);

    constructor() ERC721("Drop", "DROP") {}

    function mint(uint256 count) external payable {
        if (msg.value != count * PRICE) revert Drop_WrongPayment(msg.value);
        if ((bought[msg.sender] += count) > MAX_PER_WALLET) revert Drop_TooMany(msg.sender);
        for (uint256 i; i < count; ++i) _mint(msg.sender, ++sold);
    }
}
