// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {StandardBridge} from "../sol/l1/StandardBridge.sol";
import {OptimismMintableERC20} from "../sol/l2/OptimismMintableERC20.sol";
import {Types} from "../sol/libraries/Types.sol";
import {RogueToken} from "./Bridge.t.sol";
import {Fixture, MoodyToken, Refuser} from "./Fixture.sol";

/// @notice Users of the bridge in random order. L2 runs at once; withdrawals wait for `finalize`.
contract World is Fixture {
    uint256 internal constant USERS = 3;

    MoodyToken public token;
    OptimismMintableERC20[2] public l2Tokens;
    RogueToken public rogue;
    Refuser public refuser;

    Types.WithdrawalTransaction[] internal _pending;
    /// @notice Wei that L2's accounts hold or have sent to L1 and not been paid.
    uint256 public etherOnL2;
    uint256 public bonds;

    function init() external {
        super.setUp();
        token = new MoodyToken();
        l2Tokens[0] = OptimismMintableERC20(factory.createOptimismMintableERC20(address(token), "A", "A"));
        l2Tokens[1] = OptimismMintableERC20(factory.createOptimismMintableERC20(address(token), "B", "B"));
        rogue = new RogueToken(address(token));
        refuser = new Refuser();
    }

    function user(uint256 seed) internal pure returns (address) {
        return address(uint160(0x1000 + seed % USERS));
    }

    function l1() external view returns (StandardBridge, address) {
        return (bridge, address(portal));
    }

    function assertionsBalance() external view returns (uint256) {
        return address(assertions).balance;
    }

    function depositEther(uint256 who, uint256 to, uint96 amount, bool refused) external {
        address from = user(who);
        vm.deal(from, amount);
        vm.roll(block.number + 1);
        vm.recordLogs();
        vm.prank(from, from);
        bridge.depositETHTo{value: amount}(refused ? address(refuser) : user(to), 0, "");
        assertTrue(_runDeposit());
        etherOnL2 += amount;
        if (refused) _remember();
    }

    function withdrawEther(uint256 who, uint256 to, uint96 amount, bool refused) external {
        amount = uint96(amount % (etherOnL2 - _pendingEther() + 1));
        vm.deal(user(who), amount);
        vm.recordLogs();
        vm.prank(user(who), user(who));
        l2Bridge.bridgeETHTo{value: amount}(refused ? address(refuser) : user(to), 0, "");
        _remember();
    }

    function depositToken(uint256 who, uint256 which, uint96 amount, uint8 fee) external {
        if (amount == 0) return;
        address from = user(who);
        token.mint(from, amount);
        token.setFee(amount < 100 ? 0 : fee % 50);
        vm.roll(block.number + 1);
        vm.startPrank(from, from);
        token.approve(address(bridge), amount);
        vm.recordLogs();
        bridge.depositERC20(address(token), address(l2Tokens[which % 2]), amount, 0, "");
        vm.stopPrank();
        assertTrue(_runDeposit());
    }

    function withdrawToken(uint256 who, uint256 which, uint96 amount) external {
        OptimismMintableERC20 l2Token = l2Tokens[which % 2];
        address from = user(who);
        amount = uint96(amount % (l2Token.balanceOf(from) + 1));
        vm.recordLogs();
        vm.prank(from, from);
        l2Bridge.withdraw(address(l2Token), amount, 0, "");
        _remember();
    }

    function withdrawRogue(uint256 who, uint96 amount) external {
        vm.recordLogs();
        vm.prank(user(who), user(who));
        l2Bridge.withdraw(address(rogue), amount, 0, "");
        _remember();
    }

    function refuseTransfersTo(uint256 who, bool refused) external {
        token.refuse(refused ? user(who) : address(0));
    }

    function finalize(uint256 which) external {
        if (_pending.length == 0) return;
        which %= _pending.length;
        Types.WithdrawalTransaction memory w = _pending[which];
        _pending[which] = _pending[_pending.length - 1];
        _pending.pop();
        token.setFee(0);
        bonds += BOND;
        etherOnL2 -= w.value;
        vm.deal(PROPOSER, BOND);
        _proveAndFinalize(w);
    }

    function pendingEther() external view returns (uint256) {
        return _pendingEther();
    }

    function claimable(address of_) external view returns (uint256 sum) {
        for (uint256 i = 0; i < USERS; ++i) {
            sum += bridge.claimable(of_, user(i));
        }
        sum += bridge.claimable(of_, address(refuser));
    }

    function _pendingEther() private view returns (uint256 sum) {
        for (uint256 i = 0; i < _pending.length; ++i) {
            sum += _pending[i].value;
        }
    }

    function _remember() private {
        _pending.push(_lastWithdrawal());
    }
}

contract InvariantsTest is Fixture {
    World private world;

    function setUp() public override {
        world = new World();
        world.init();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(world);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](7);
        selectors[0] = World.depositEther.selector;
        selectors[1] = World.withdrawEther.selector;
        selectors[2] = World.depositToken.selector;
        selectors[3] = World.withdrawToken.selector;
        selectors[4] = World.withdrawRogue.selector;
        selectors[5] = World.refuseTransfersTo.selector;
        selectors[6] = World.finalize.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(world), selectors);
    }

    function invariant_portalHoldsWhatL2Owns() external view {
        (, address portal_) = world.l1();
        assertTrue(portal_.balance >= world.etherOnL2());
        assertTrue(world.etherOnL2() >= world.pendingEther());
    }

    function invariant_bridgeHoldsEveryPairAndEveryCredit() external view {
        (StandardBridge bridge_,) = world.l1();
        address token = address(world.token());
        uint256 owed = bridge_.deposits(token, address(world.l2Tokens(0)))
            + bridge_.deposits(token, address(world.l2Tokens(1))) + world.claimable(token);
        assertEq(world.token().balanceOf(address(bridge_)), owed);
        assertEq(bridge_.deposits(token, address(world.rogue())), 0);
        assertEq(address(bridge_).balance, world.claimable(address(0)));
    }

    function invariant_everyPairCoversItsSupplyOnL2() external view {
        (StandardBridge bridge_,) = world.l1();
        for (uint256 i = 0; i < 2; ++i) {
            uint256 held = bridge_.deposits(address(world.token()), address(world.l2Tokens(i)));
            assertTrue(held >= world.l2Tokens(i).totalSupply());
        }
    }

    function invariant_assertionsHoldEveryBond() external view {
        assertEq(world.assertionsBalance(), world.bonds());
    }
}
