//! Calls of the contracts that load runs on; they are no part of a rollup.

#![allow(missing_docs)] // Solidity's own documentation is in `contracts/sol/load`.

use alloy_sol_types::sol;

sol! {
    /// Pairs, their coins, and hand-outs to many in one transaction. Pair `i` of four is the contract that this one
    /// makes with nonce `1 + i`; the coins of a pair are made with nonces 1 and 2.
    #[derive(Debug, PartialEq, Eq)]
    interface Market {
        error Market_Refused(address to);

        function pairs(uint256 index) external view returns (address);
        function fund(address[] to, uint256 each) external payable;
        function stock(uint256 pair, address[] to) external;
        function stocks(uint256 pair, address[] who) external view returns (uint256[] least);
    }

    /// Two coins at a constant product. It may move them from anybody.
    #[derive(Debug, PartialEq, Eq)]
    interface Pair {
        event Swapped(address indexed trader, bool indexed sellsA, uint256 sold, uint256 bought);
        error Pair_TooLittle(uint256 bought);

        function swap(bool sellsA, uint256 sold, uint256 atLeast) external returns (uint256 bought);
    }

    /// An ERC-20 without value: anyone makes as much of it as they like.
    #[derive(Debug, PartialEq, Eq)]
    interface Coin {
        function mint(address to, uint256 value) external;
        function transfer(address to, uint256 value) external returns (bool);
        function balanceOf(address account) external view returns (uint256);
    }
}
