// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Contracts that deployment uses as they are, imported so that their artifacts are built.
// forge-lint: disable-next-item(unused-import)
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
// forge-lint: disable-next-item(unused-import)
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
