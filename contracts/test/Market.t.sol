// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Coin, Market, Pair} from "../sol/load/Market.sol";
import {Fixture} from "./Fixture.sol";

contract MarketTest is Fixture {
    uint256 private constant STOCK = 1e24;

    Market private market;
    address[] private people;

    function setUp() public override {
        market = new Market();
        people.push(ALICE);
        people.push(BOB);
    }

    function test_constructor_pairs_areWhereTheirNoncesPutThem() external view {
        for (uint256 i; i < 4; ++i) {
            assertEq(address(market.pairs(i)), _created(address(market), 1 + i));
            assertEq(address(market.pairs(i).A()), _created(address(market.pairs(i)), 1));
            assertEq(address(market.pairs(i).B()), _created(address(market.pairs(i)), 2));
        }
    }

    function test_fund_everyone_isPaid() external {
        vm.deal(address(this), 2 ether);
        market.fund{value: 2 ether}(people, 1 ether);
        assertEq(ALICE.balance, 1 ether);
        assertEq(BOB.balance, 1 ether);
    }

    function test_fund_tooLittle_reverts() external {
        vm.deal(address(this), 1 ether);
        vm.expectRevert(abi.encodeWithSelector(Market.Market_Refused.selector, BOB));
        market.fund{value: 1 ether}(people, 1 ether);
    }

    function test_stock_everyone_hasBothCoinsOfThePairAlone() external {
        market.stock(2, people);
        assertEq(market.stocks(2, people)[0], STOCK);
        assertEq(market.stocks(2, people)[1], STOCK);
        assertEq(market.stocks(1, people)[0], 0);
        Coin coin = market.pairs(2).A();
        vm.prank(ALICE);
        coin.transfer(BOB, 1);
        assertEq(market.stocks(2, people)[0], STOCK - 1);
        assertEq(market.stocks(2, people)[1], STOCK);
    }

    function testFuzz_swap_anyAmount_keepsTheProduct(uint256 sold, bool sellsA) external {
        sold %= STOCK + 1;
        market.stock(0, people);
        Pair pair = market.pairs(0);
        (Coin a, Coin b) = (pair.A(), pair.B());
        uint256 product = a.balanceOf(address(pair)) * b.balanceOf(address(pair));
        vm.prank(ALICE);
        uint256 bought = pair.swap(sellsA, sold, 0);
        assertTrue(a.balanceOf(address(pair)) * b.balanceOf(address(pair)) >= product);
        assertTrue(bought <= sold);
        assertEq((sellsA ? a : b).balanceOf(ALICE), STOCK - sold);
        assertEq((sellsA ? b : a).balanceOf(ALICE), STOCK + bought);
    }

    function test_swap_tooLittle_reverts() external {
        market.stock(0, people);
        Pair pair = market.pairs(0);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(Pair.Pair_TooLittle.selector, 996));
        pair.swap(true, 1_000, 1_000);
    }

    /// @dev Address of the contract that `creator` makes with a nonce below 128: the hash of their RLP list.
    function _created(address creator, uint256 nonce) private pure returns (address) {
        bytes memory list = abi.encodePacked(bytes2(0xd694), creator, bytes1(uint8(nonce)));
        return address(uint160(uint256(keccak256(list))));
    }
}
