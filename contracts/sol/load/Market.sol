// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title Coin
/// @notice A token without value: anyone makes as much of it as they like.
/// @dev Its pair may move it from anybody, as Permit2 may with many tokens: nobody has to approve before trading.
contract Coin is ERC20 {
    address private immutable PAIR = msg.sender;

    constructor() ERC20("Load", "LOAD") {}

    /// @notice Makes `value` for `to`.
    function mint(address to, uint256 value) external {
        _mint(to, value);
    }

    /// @inheritdoc ERC20
    function allowance(address owner, address spender) public view override returns (uint256) {
        return spender == PAIR ? type(uint256).max : super.allowance(owner, spender);
    }
}

/// @title Pair
/// @notice Two coins of its own at a constant product, for a fee of 0.3 %.
contract Pair {
    uint256 private constant LIQUIDITY = 1e27;

    /// @notice The two coins.
    Coin public immutable A = new Coin();
    Coin public immutable B = new Coin();

    uint128 private _reserveA = uint128(LIQUIDITY);
    uint128 private _reserveB = uint128(LIQUIDITY);

    /// @notice `trader` gave `sold` of one coin for `bought` of the other.
    event Swapped(address indexed trader, bool indexed sellsA, uint256 sold, uint256 bought);

    /// @notice The pair gives no more than `bought`.
    error Pair_TooLittle(uint256 bought);

    constructor() {
        A.mint(address(this), LIQUIDITY);
        B.mint(address(this), LIQUIDITY);
    }

    /// @notice Takes `sold` of one coin from the caller and pays in the other, `atLeast` or more.
    function swap(bool sellsA, uint256 sold, uint256 atLeast) external returns (uint256 bought) {
        (uint256 a, uint256 b) = (_reserveA, _reserveB);
        bought = sellsA ? _price(sold, a, b) : _price(sold, b, a);
        if (bought < atLeast) revert Pair_TooLittle(bought);
        (a, b) = sellsA ? (a + sold, b - bought) : (a - bought, b + sold);
        (_reserveA, _reserveB) = (uint128(a), uint128(b));
        emit Swapped(msg.sender, sellsA, sold, bought);
        (Coin from, Coin to) = sellsA ? (A, B) : (B, A);
        from.transferFrom(msg.sender, address(this), sold);
        to.transfer(msg.sender, bought);
    }

    function _price(uint256 sold, uint256 from, uint256 to) private pure returns (uint256) {
        uint256 paid = sold * 997;
        return paid * to / (from * 1000 + paid);
    }
}

/// @title Market
/// @notice Everything that load on a chain needs: pairs and their coins, and hand-outs to many in one transaction.
/// @dev Pair `i` is the contract that this one makes with nonce `1 + i`; its coins are made with nonces 1 and 2.
contract Market {
    uint256 private constant PAIRS = 4;
    uint256 private constant STOCK = 1e24;

    /// @notice The pairs.
    Pair[PAIRS] public pairs;

    /// @notice `to` takes no ether, or there is not enough.
    error Market_Refused(address to);

    constructor() {
        for (uint256 i; i < PAIRS; ++i) pairs[i] = new Pair();
    }

    /// @notice Pays `each` wei to everyone in `to`.
    function fund(address[] calldata to, uint256 each) external payable {
        for (uint256 i; i < to.length; ++i) {
            (bool paid,) = to[i].call{value: each}("");
            if (!paid) revert Market_Refused(to[i]);
        }
    }

    /// @notice Gives everyone in `to` a stock of both coins of a pair.
    function stock(uint256 pair, address[] calldata to) external {
        (Coin a, Coin b) = (pairs[pair].A(), pairs[pair].B());
        for (uint256 i; i < to.length; ++i) {
            a.mint(to[i], STOCK);
            b.mint(to[i], STOCK);
        }
    }

    /// @notice Of the two coins of a pair, what each of `who` has least of.
    function stocks(uint256 pair, address[] calldata who) external view returns (uint256[] memory least) {
        (Coin a, Coin b) = (pairs[pair].A(), pairs[pair].B());
        least = new uint256[](who.length);
        for (uint256 i; i < who.length; ++i) {
            (uint256 ofA, uint256 ofB) = (a.balanceOf(who[i]), b.balanceOf(who[i]));
            least[i] = ofA < ofB ? ofA : ofB;
        }
    }
}
