// What every client is tried with: a contract that logs, reverts in three ways, and is read.
import { compile } from '../compile.js'

export const { Counter } = compile(`// SPDX-License-Identifier: MIT
  pragma solidity ^0.8.20;
  contract Counter {
    event Counted(address indexed who, uint256 indexed number);
    error TooMany(uint256 wanted, uint256 allowed);
    uint256 public number;
    constructor(uint256 start) { number = start; }
    function count(uint256 by) external {
      if (by > 10) revert TooMany(by, 10);
      number += by;
      emit Counted(msg.sender, number);
    }
    function refuse() external pure { revert("not today"); }
    function overflow() external pure returns (uint256) { uint256 most = type(uint256).max; return most + number_(); }
    function number_() private pure returns (uint256) { return 1; }
  }`)

// Transactions that are sent one after the other, without waiting.
export const QUICK = 20
