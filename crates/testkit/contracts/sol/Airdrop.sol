// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @notice Pays many people in one transaction.
contract Airdrop {
    using SafeERC20 for IERC20;

    error Airdrop_Refused(address to);

    function dropEther(address[] calldata to, uint256 each) external payable {
        for (uint256 i; i < to.length; ++i) {
            (bool paid,) = to[i].call{value: each}("");
            if (!paid) revert Airdrop_Refused(to[i]);
        }
        (bool rest,) = msg.sender.call{value: address(this).balance}("");
        if (!rest) revert Airdrop_Refused(msg.sender);
    }

    function dropToken(IERC20 token, address[] calldata to, uint256 each) external {
        for (uint256 i; i < to.length; ++i) token.safeTransferFrom(msg.sender, to[i], each);
    }
}
