// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {IStandardBridge} from "../sol/l1/interfaces/IStandardBridge.sol";
import {OptimismMintableERC20} from "../sol/l2/OptimismMintableERC20.sol";
import {IL2StandardBridge} from "../sol/l2/interfaces/IL2StandardBridge.sol";
import {IOptimismMintableERC20} from "../sol/l2/interfaces/IOptimismMintableERC20.sol";
import {AddressAliasHelper} from "../sol/libraries/AddressAliasHelper.sol";
import {IBridgeFinalizer} from "../sol/libraries/IBridgeFinalizer.sol";
import {Predeploys} from "../sol/libraries/Predeploys.sol";
import {Types} from "../sol/libraries/Types.sol";
import {Fixture, HookedToken, MoodyToken, Refuser} from "./Fixture.sol";

contract BridgeTest is Fixture {
    MoodyToken private token;
    OptimismMintableERC20 private l2Token;
    Refuser private refuser;

    function setUp() public override {
        super.setUp();
        token = new MoodyToken();
        l2Token = OptimismMintableERC20(factory.createOptimismMintableERC20(address(token), "Token", "TKN"));
        refuser = new Refuser();
        token.mint(ALICE, 1_000 ether);
        vm.prank(ALICE);
        token.approve(address(bridge), type(uint256).max);
    }

    function _depositToken(uint256 amount) private {
        vm.recordLogs();
        vm.prank(ALICE, ALICE);
        bridge.depositERC20To(address(token), address(l2Token), BOB, amount, 0, "");
        assertTrue(_runDeposit());
    }

    function testFuzz_depositETH_arrivesOnL2_succeeds(uint96 amount, bytes calldata extraData) external {
        vm.deal(ALICE, amount);
        vm.deal(BOB, 0);
        vm.recordLogs();
        vm.prank(ALICE, ALICE);
        bridge.depositETHTo{value: amount}(BOB, 0, extraData);
        assertEq(address(portal).balance, amount);
        assertTrue(_runDeposit());
        assertEq(BOB.balance, amount);
    }

    function test_depositETH_everyEntry_succeeds() external {
        vm.startPrank(ALICE, ALICE);
        bridge.depositETH{value: 1}(0, "");
        bridge.bridgeETH{value: 1}(0, "");
        bridge.bridgeETHTo{value: 1}(BOB, 0, "");
        (bool success,) = address(bridge).call{value: 1}("");
        vm.stopPrank();
        assertTrue(success);
        assertEq(address(portal).balance, 4);
        assertEq(inbox.depositCount(), 4);
    }

    function test_depositETH_fromContract_reverts() external {
        bytes[] memory calls = new bytes[](5);
        calls[0] = abi.encodeCall(IStandardBridge.depositETH, (0, ""));
        calls[1] = abi.encodeCall(IStandardBridge.bridgeETH, (0, ""));
        calls[2] = "";
        calls[3] = abi.encodeCall(IStandardBridge.depositERC20, (address(token), address(l2Token), 1, 0, ""));
        calls[4] = abi.encodeCall(IStandardBridge.bridgeERC20, (address(token), address(l2Token), 1, 0, ""));
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.expectRevert(IStandardBridge.StandardBridge_NotEOA.selector);
            refuser.call(address(bridge), calls[i]);
        }
    }

    function test_depositETH_receiverRefuses_goesBackToL1() external {
        for (uint256 i = 0; i < 2; ++i) {
            refuser.set(false, i == 1);
            vm.deal(BOB, 1 ether);
            vm.recordLogs();
            vm.prank(BOB, BOB);
            bridge.depositETHTo{value: 1 ether}(address(refuser), 0, "why not");
            assertTrue(_runDeposit());
            assertEq(BOB.balance, 0);
            _proveAndFinalize(_lastWithdrawal());
            assertEq(BOB.balance, 1 ether);
        }
    }

    function testFuzz_depositERC20_mintsOnL2_succeeds(uint96 amount) external {
        vm.assume(amount != 0);
        token.mint(ALICE, amount);
        _depositToken(amount);
        assertEq(l2Token.balanceOf(BOB), amount);
        assertEq(bridge.deposits(address(token), address(l2Token)), amount);
        assertEq(token.balanceOf(address(bridge)), amount);
    }

    function test_depositERC20_everyEntry_succeeds() external {
        vm.startPrank(ALICE, ALICE);
        bridge.depositERC20(address(token), address(l2Token), 1, 0, "");
        bridge.bridgeERC20(address(token), address(l2Token), 1, 0, "");
        bridge.bridgeERC20To(address(token), address(l2Token), BOB, 1, 0, "");
        vm.stopPrank();
        assertEq(bridge.deposits(address(token), address(l2Token)), 3);
    }

    function test_depositERC20_feeOnTransfer_countsWhatArrived() external {
        token.setFee(10);
        _depositToken(100);
        assertEq(bridge.deposits(address(token), address(l2Token)), 90);
        assertEq(l2Token.balanceOf(BOB), 90);
    }

    function test_depositERC20_nothingArrives_reverts() external {
        token.setFee(100);
        vm.expectRevert(IStandardBridge.StandardBridge_NothingReceived.selector);
        vm.prank(ALICE, ALICE);
        bridge.depositERC20(address(token), address(l2Token), 100, 0, "");
    }

    function test_depositERC20_wrongL2Token_goesBackToL1() external {
        address[] memory wrong = new address[](3);
        wrong[0] = BOB;
        wrong[1] = factory.createOptimismMintableERC20(address(refuser), "Other", "OTH");
        wrong[2] = address(new OptimismMintableERC20(ALICE, address(token), "No bridge of ours", "NO", 18));
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.recordLogs();
            vm.prank(ALICE, ALICE);
            bridge.depositERC20To(address(token), wrong[i], BOB, 5, 0, "some extra data");
            assertTrue(_runDeposit());
            assertEq(token.balanceOf(ALICE), 1_000 ether - 5);
            _proveAndFinalize(_lastWithdrawal());
            assertEq(token.balanceOf(ALICE), 1_000 ether);
            assertEq(bridge.deposits(address(token), wrong[i]), 0);
        }
    }

    function test_withdrawETH_paysOnL1_succeeds() external {
        vm.deal(address(portal), 5 ether);
        vm.recordLogs();
        vm.prank(ALICE, ALICE);
        l2Bridge.withdrawTo{value: 2 ether}(Predeploys.LEGACY_ERC20_ETH, BOB, 2 ether, 0, "");
        _proveAndFinalize(_lastWithdrawal());
        assertEq(BOB.balance, 2 ether);
        assertEq(address(portal).balance, 3 ether);
    }

    function test_withdrawETH_everyEntry_succeeds() external {
        vm.startPrank(ALICE, ALICE);
        l2Bridge.withdraw{value: 1}(Predeploys.LEGACY_ERC20_ETH, 1, 0, "");
        l2Bridge.bridgeETH{value: 1}(0, "");
        l2Bridge.bridgeETHTo{value: 1}(BOB, 0, "");
        (bool success,) = address(l2Bridge).call{value: 1}("");
        vm.stopPrank();
        assertTrue(success);
        assertEq(address(passer).balance, 4);
        assertEq(uint240(passer.messageNonce()), 4);
    }

    function test_withdraw_fromContract_reverts() external {
        bytes[] memory calls = new bytes[](4);
        calls[0] = abi.encodeCall(IL2StandardBridge.withdraw, (address(l2Token), 1, 0, ""));
        calls[1] = abi.encodeCall(IL2StandardBridge.bridgeETH, (0, ""));
        calls[2] = "";
        calls[3] = abi.encodeCall(IL2StandardBridge.bridgeERC20, (address(l2Token), address(token), 1, 0, ""));
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.expectRevert(IL2StandardBridge.L2StandardBridge_NotEOA.selector);
            refuser.call(address(l2Bridge), calls[i]);
        }
    }

    function test_withdraw_wrongValue_reverts() external {
        vm.startPrank(ALICE, ALICE);
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.L2StandardBridge_WrongValue.selector, 2));
        l2Bridge.withdraw{value: 1}(Predeploys.LEGACY_ERC20_ETH, 2, 0, "");
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.L2StandardBridge_WrongValue.selector, 0));
        l2Bridge.withdraw{value: 1}(address(l2Token), 2, 0, "");
        vm.stopPrank();
    }

    function testFuzz_withdrawERC20_paysOnL1_succeeds(uint96 deposited, uint96 withdrawn) external {
        vm.assume(deposited != 0 && withdrawn != 0 && withdrawn <= deposited);
        token.mint(ALICE, deposited);
        _depositToken(deposited);
        vm.recordLogs();
        vm.prank(BOB, BOB);
        l2Bridge.withdraw(address(l2Token), withdrawn, 0, "");
        assertEq(l2Token.totalSupply(), deposited - withdrawn);
        _proveAndFinalize(_lastWithdrawal());
        assertEq(token.balanceOf(BOB), withdrawn);
        assertEq(bridge.deposits(address(token), address(l2Token)), deposited - withdrawn);
    }

    function test_withdrawERC20_wrongPair_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IL2StandardBridge.L2StandardBridge_WrongPair.selector, address(l2Token), BOB
            )
        );
        vm.prank(BOB, BOB);
        l2Bridge.bridgeERC20To(address(l2Token), BOB, BOB, 1, 0, "");
    }

    function test_withdrawERC20_rogueTokenCannotDrainAnotherPair() external {
        _depositToken(100 ether);
        RogueToken rogue = new RogueToken(address(token));
        vm.recordLogs();
        vm.prank(BOB, BOB);
        l2Bridge.withdraw(address(rogue), 100 ether, 0, "");
        _proveAndFinalize(_lastWithdrawal());
        assertEq(token.balanceOf(BOB), 0);
        assertEq(token.balanceOf(address(bridge)), 100 ether);
    }

    function test_finalizeBridgeETH_receiverRefuses_isClaimable() external {
        for (uint256 i = 0; i < 2; ++i) {
            refuser.set(false, i == 1);
            vm.deal(address(portal), 5 ether);
            vm.recordLogs();
            vm.prank(ALICE, ALICE);
            l2Bridge.bridgeETHTo{value: 1 ether}(address(refuser), 0, "");
            _proveAndFinalize(_lastWithdrawal());
        }
        assertEq(bridge.claimable(address(0), address(refuser)), 2 ether);
        vm.expectRevert(
            abi.encodeWithSelector(IStandardBridge.StandardBridge_PaymentFailed.selector, address(refuser))
        );
        vm.prank(address(refuser));
        bridge.claim(address(0), address(refuser));
        vm.prank(address(refuser));
        bridge.claim(address(0), BOB);
        assertEq(BOB.balance, 2 ether);
    }

    function test_finalizeBridgeERC20_receiverRefused_isClaimable() external {
        _depositToken(10);
        token.refuse(BOB);
        vm.recordLogs();
        vm.prank(BOB, BOB);
        l2Bridge.withdraw(address(l2Token), 10, 0, "");
        _proveAndFinalize(_lastWithdrawal());
        assertEq(bridge.claimable(address(token), BOB), 10);
        vm.prank(BOB);
        bridge.claim(address(token), address(0xC0FFEE));
        assertEq(token.balanceOf(address(0xC0FFEE)), 10);
    }

    function test_finalize_insideADeposit_paysTheVictim_succeeds() external {
        vm.deal(address(portal), 1 ether);
        Types.WithdrawalTransaction memory w = Types.WithdrawalTransaction({
            nonce: 1,
            sender: address(l2Bridge),
            target: address(bridge),
            value: 1 ether,
            gasLimit: 300_000,
            data: abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (BOB, BOB, 1 ether, ""))
        });
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        HookedToken evil = new HookedToken();
        evil.mint(ALICE, 1);
        evil.hook(
            address(portal), abi.encodeCall(portal.finalizeWithdrawalTransactionExternalProof, (w, ALICE))
        );
        vm.startPrank(ALICE, ALICE);
        evil.approve(address(bridge), 1);
        bridge.depositERC20(address(evil), address(l2Token), 1, 0, "");
        vm.stopPrank();
        assertEq(BOB.balance, 1 ether);
    }

    function test_depositERC20_insideADeposit_reverts() external {
        HookedToken evil = new HookedToken();
        evil.mint(ALICE, 1);
        evil.hook(
            address(bridge),
            abi.encodeCall(bridge.depositERC20To, (address(evil), address(l2Token), BOB, 0, 0, ""))
        );
        vm.startPrank(ALICE, ALICE);
        evil.approve(address(bridge), 1);
        vm.expectRevert(bytes4(keccak256("ReentrancyGuardReentrantCall()")));
        bridge.depositERC20(address(evil), address(l2Token), 1, 0, "");
        vm.stopPrank();
    }

    function test_claim_nothing_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IStandardBridge.StandardBridge_NoCredit.selector, BOB));
        vm.prank(BOB);
        bridge.claim(address(0), BOB);
    }

    function test_finalize_notOtherBridge_reverts() external {
        vm.expectRevert(IStandardBridge.StandardBridge_NotOtherBridge.selector);
        bridge.finalizeBridgeETH(ALICE, ALICE, 0, "");
        vm.expectRevert(IStandardBridge.StandardBridge_NotOtherBridge.selector);
        vm.prank(address(portal));
        bridge.finalizeBridgeERC20(address(token), address(l2Token), ALICE, ALICE, 1, "");
        vm.expectRevert(IL2StandardBridge.L2StandardBridge_NotOtherBridge.selector);
        vm.prank(address(bridge));
        l2Bridge.finalizeBridgeETH(ALICE, ALICE, 0, "");
        vm.expectRevert(IL2StandardBridge.L2StandardBridge_NotOtherBridge.selector);
        l2Bridge.finalizeBridgeERC20(address(l2Token), address(token), ALICE, ALICE, 1, "");
        vm.expectRevert(IL2StandardBridge.L2StandardBridge_NotOtherBridge.selector);
        l2Bridge.mintPaired(address(l2Token), address(token), ALICE, 1);
    }

    function test_finalizeBridgeETH_fromAnotherL2Sender_paysNothing() external {
        vm.deal(address(portal), 1 ether);
        _proveAndFinalize(
            Types.WithdrawalTransaction({
                nonce: 1,
                sender: BOB,
                target: address(bridge),
                value: 1 ether,
                gasLimit: 300_000,
                data: abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (BOB, BOB, 1 ether, ""))
            })
        );
        assertEq(BOB.balance, 0);
        assertEq(address(portal).balance, 1 ether);
    }

    function test_finalizeBridgeETH_wrongValue_reverts() external {
        address from = AddressAliasHelper.applyL1ToL2Alias(address(bridge));
        vm.deal(from, 1);
        vm.expectRevert(abi.encodeWithSelector(IL2StandardBridge.L2StandardBridge_WrongValue.selector, 2));
        vm.prank(from);
        l2Bridge.finalizeBridgeETH{value: 1}(ALICE, BOB, 2, "");
    }

    function test_finalizeBridgeETH_wrongValueOnL1_paysNothing() external {
        vm.deal(address(portal), 1 ether);
        _proveAndFinalize(
            Types.WithdrawalTransaction({
                nonce: 1,
                sender: address(l2Bridge),
                target: address(bridge),
                value: 1 ether,
                gasLimit: 300_000,
                data: abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (BOB, BOB, 2 ether, ""))
            })
        );
        assertEq(address(portal).balance, 1 ether);
    }

    function test_collectFees_creditsFeeRecipient_succeeds() external {
        vm.prank(ALICE);
        bridge.collectFees{value: 3}();
        assertEq(bridge.claimable(address(0), OWNER), 3);
    }

    function test_token_notBridge_reverts() external {
        vm.startPrank(ALICE);
        bytes memory refusal =
            abi.encodeWithSelector(IOptimismMintableERC20.OptimismMintableERC20_NotBridge.selector, ALICE);
        vm.expectRevert(refusal);
        l2Token.mint(ALICE, 1);
        vm.expectRevert(refusal);
        l2Token.burn(ALICE, 1);
        vm.stopPrank();
    }

    function test_initialize_twice_reverts() external {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        bridge.initialize(ALICE, portal, systemConfig);
    }

    function test_upgrade_notOwner_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, ALICE));
        vm.prank(ALICE);
        bridge.upgradeToAndCall(address(portal), "");
    }
}

/// @notice Says it is the L2 side of a token and burns nothing.
contract RogueToken {
    address public immutable remoteToken;

    constructor(address remoteToken_) {
        remoteToken = remoteToken_;
    }

    function burn(address, uint256) external {}
}
