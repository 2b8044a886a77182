// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {Assertions} from "../sol/l1/Assertions.sol";
import {IAssertionGame} from "../sol/l1/interfaces/IAssertionGame.sol";
import {IAssertions} from "../sol/l1/interfaces/IAssertions.sol";
import {Fixture, Refuser} from "./Fixture.sol";

contract AssertionsTest is Fixture {
    bytes32 private constant ROOT = keccak256("root");

    function _fresh() private returns (Assertions) {
        return Assertions(
            _proxy(
                address(new Assertions()),
                abi.encodeCall(IAssertions.initialize, (OWNER, GUARDIAN, PROPOSER, WINDOW, BOND))
            )
        );
    }

    function test_faultProofs_areOff() external view {
        assertFalse(assertions.FAULT_PROOFS());
    }

    function test_start_twice_reverts() external {
        vm.expectRevert(IAssertions.Assertions_AlreadyStarted.selector);
        vm.prank(OWNER);
        assertions.start(ROOT);
    }

    function test_start_zero_reverts() external {
        Assertions fresh = _fresh();
        vm.expectRevert(IAssertions.Assertions_ZeroRoot.selector);
        vm.prank(OWNER);
        fresh.start(0);
    }

    function test_start_notOwner_reverts() external {
        Assertions fresh = _fresh();
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, ALICE, bytes32(0)
            )
        );
        vm.prank(ALICE);
        fresh.start(ROOT);
    }

    function test_propose_beforeStart_reverts() external {
        Assertions fresh = _fresh();
        vm.expectRevert(IAssertions.Assertions_NotStarted.selector);
        vm.prank(PROPOSER);
        fresh.propose{value: BOND}(ROOT, 1, keccak256("l1"), block.number - 1);
    }

    function test_propose_zeroRoot_reverts() external {
        vm.expectRevert(IAssertions.Assertions_ZeroRoot.selector);
        vm.prank(PROPOSER);
        assertions.propose{value: BOND}(0, 1, keccak256("l1"), block.number - 1);
    }

    function testFuzz_propose_wrongBond_reverts(uint128 value) external {
        vm.assume(value != BOND);
        vm.deal(PROPOSER, value);
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_WrongBond.selector, BOND));
        vm.prank(PROPOSER);
        assertions.propose{value: value}(ROOT, 1, keccak256("l1"), block.number - 1);
    }

    function test_propose_notProposer_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_NotProposer.selector, ALICE));
        vm.prank(ALICE);
        assertions.propose{value: BOND}(ROOT, 1, keccak256("l1"), block.number - 1);
    }

    function test_propose_anyoneAfterGrace_succeeds() external {
        _propose(ROOT);
        vm.warp(block.timestamp + assertions.PROPOSER_GRACE() + 1);
        vm.setBlockhash(block.number - 1, keccak256("l1"));
        vm.prank(ALICE);
        assertions.propose{value: BOND}(ROOT, 2, keccak256("l1"), block.number - 1);
        assertEq(assertions.latestBlockNumber(), 2);
    }

    function test_propose_anyoneAfterGraceFromStart_succeeds() external {
        vm.warp(block.timestamp + assertions.PROPOSER_GRACE() + 1);
        vm.setBlockhash(block.number - 1, keccak256("l1"));
        vm.prank(ALICE);
        assertions.propose{value: BOND}(ROOT, 2, keccak256("l1"), block.number - 1);
    }

    function testFuzz_propose_notAhead_reverts(uint64 first, uint64 second) external {
        vm.assume(first != 0 && second <= first);
        _propose(ROOT, first);
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_NotAhead.selector, second, first));
        vm.prank(PROPOSER);
        assertions.propose{value: BOND}(ROOT, second, keccak256("l1"), block.number - 1);
    }

    function test_propose_numberTooLarge_reverts() external {
        uint256 number = uint256(type(uint64).max) + 1;
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_NotAhead.selector, number, 0));
        vm.prank(PROPOSER);
        assertions.propose{value: BOND}(ROOT, number, keccak256("l1"), block.number - 1);
    }

    function test_propose_otherL1_reverts() external {
        vm.setBlockhash(block.number - 1, keccak256("l1"));
        vm.expectRevert(
            abi.encodeWithSelector(IAssertions.Assertions_L1BlockMismatch.selector, block.number - 1)
        );
        vm.prank(PROPOSER);
        assertions.propose{value: BOND}(ROOT, 1, keccak256("other l1"), block.number - 1);
    }

    function test_propose_unknownL1Block_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(IAssertions.Assertions_L1BlockMismatch.selector, block.number + 5)
        );
        vm.prank(PROPOSER);
        assertions.propose{value: BOND}(ROOT, 1, 0, block.number + 5);
    }

    function test_propose_makesAGame_succeeds() external {
        uint256 index = _propose(ROOT, 7);
        IAssertions.Proposal memory claim = assertions.proposal(index);
        assertEq(claim.outputRoot, ROOT);
        assertEq(claim.l2BlockNumber, 7);
        assertEq(claim.proposer, PROPOSER);
        assertEq(claim.bond, BOND);
        IAssertionGame game = IAssertionGame(claim.game);
        assertEq(game.index(), index);
        assertEq(game.l2SequenceNumber(), 7);
        assertEq(game.l2BlockNumber(), 7);
        assertEq(game.rootClaim(), ROOT);
        assertEq(game.gameType(), 1);
        assertEq(game.createdAt(), block.timestamp);
        assertEq(game.resolvedAt(), 0);
        assertEq(game.gameCreator(), PROPOSER);
        assertEq(game.extraData(), abi.encode(uint256(7)));
        assertTrue(game.status() == IAssertionGame.GameStatus.IN_PROGRESS);
        vm.warp(block.timestamp + WINDOW + 1);
        assertTrue(game.status() == IAssertionGame.GameStatus.DEFENDER_WINS);
        assertEq(game.resolvedAt(), claim.createdAt + WINDOW);
    }

    function test_gameAtIndex_matchesProposal() external {
        uint256 index = _propose(ROOT, 7);
        (uint32 gameType, uint64 timestamp, address proxy) = assertions.gameAtIndex(index);
        assertEq(gameType, 1);
        assertEq(timestamp, block.timestamp);
        assertEq(proxy, assertions.proposal(index).game);
        assertEq(assertions.gameCount(), 1);
        assertEq(assertions.proposalCount(), 1);
    }

    function test_proposal_unknown_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_Unknown.selector, 0));
        assertions.proposal(0);
    }

    function test_findLatestGames_newestFirstWithoutRejected() external {
        _propose(ROOT, 1);
        _propose(ROOT, 2);
        _propose(ROOT, 3);
        vm.prank(GUARDIAN);
        assertions.reject(1);
        IAssertions.GameSearchResult[] memory games = assertions.findLatestGames(1, 2, 10);
        assertEq(games.length, 2);
        assertEq(games[0].index, 2);
        assertEq(games[1].index, 0);
        assertEq(address(uint160(uint256(games[0].metadata))), assertions.proposal(2).game);
        assertEq(games[0].extraData, abi.encode(uint256(3)));
        assertEq(assertions.findLatestGames(1, 2, 1).length, 1);
        assertEq(assertions.findLatestGames(0, 2, 10).length, 0);
        assertEq(assertions.findLatestGames(1, 3, 10).length, 0);
    }

    function test_findLatestGames_beforeTheFirst_isEmpty() external view {
        assertEq(assertions.findLatestGames(1, 0, 0).length, 0);
    }

    function test_latestProposal_skipsRejected() external {
        (bool exists,,) = assertions.latestProposal();
        assertFalse(exists);
        _propose(ROOT, 10);
        _propose(ROOT, 20);
        _propose(ROOT, 30);
        vm.startPrank(GUARDIAN);
        assertions.reject(1);
        assertEq(assertions.latestBlockNumber(), 30);
        assertions.reject(2);
        vm.stopPrank();
        assertEq(assertions.latestBlockNumber(), 10);
        _propose(ROOT, 11);
        uint256 index;
        (exists, index,) = assertions.latestProposal();
        assertTrue(exists);
        assertEq(index, 3);
        vm.startPrank(GUARDIAN);
        assertions.reject(3);
        assertions.reject(0);
        vm.stopPrank();
        assertEq(assertions.latestBlockNumber(), 0);
    }

    function test_reject_notGuardian_reverts() external {
        _propose(ROOT);
        bytes32 role = assertions.GUARDIAN_ROLE();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, OWNER, role)
        );
        vm.prank(OWNER);
        assertions.reject(0);
    }

    function test_reject_twice_reverts() external {
        _propose(ROOT);
        vm.startPrank(GUARDIAN);
        assertions.reject(0);
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_AlreadyRejected.selector, 0));
        assertions.reject(0);
        vm.stopPrank();
    }

    function test_reject_afterWindow_reverts() external {
        _propose(ROOT);
        vm.warp(block.timestamp + WINDOW);
        assertFalse(assertions.isFinal(0));
        vm.warp(block.timestamp + 1);
        assertTrue(assertions.isFinal(0));
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_WindowClosed.selector, 0));
        vm.prank(GUARDIAN);
        assertions.reject(0);
    }

    function test_reject_creditsTheTreasury_succeeds() external {
        _propose(ROOT);
        vm.prank(GUARDIAN);
        assertions.reject(0);
        assertEq(assertions.credit(OWNER), BOND);
        assertTrue(
            IAssertionGame(assertions.proposal(0).game).status() == IAssertionGame.GameStatus.CHALLENGER_WINS
        );
        vm.warp(block.timestamp + WINDOW + 1);
        assertFalse(assertions.isFinal(0));
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_AlreadyRejected.selector, 0));
        assertions.resolve(0);
    }

    function test_resolve_windowOpen_reverts() external {
        _propose(ROOT);
        vm.expectRevert(
            abi.encodeWithSelector(IAssertions.Assertions_WindowOpen.selector, block.timestamp + WINDOW)
        );
        assertions.resolve(0);
    }

    function test_resolve_twice_reverts() external {
        _propose(ROOT);
        vm.warp(block.timestamp + WINDOW + 1);
        assertions.resolve(0);
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_AlreadyResolved.selector, 0));
        assertions.resolve(0);
    }

    function test_withdrawCredit_paysTheBondBack_succeeds() external {
        _propose(ROOT);
        vm.warp(block.timestamp + WINDOW + 1);
        assertions.resolve(0);
        vm.prank(PROPOSER);
        assertions.withdrawCredit(BOB);
        assertEq(BOB.balance, BOND);
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_NoCredit.selector, PROPOSER));
        vm.prank(PROPOSER);
        assertions.withdrawCredit(BOB);
    }

    function test_withdrawCredit_receiverRefuses_reverts() external {
        _propose(ROOT);
        vm.warp(block.timestamp + WINDOW + 1);
        assertions.resolve(0);
        address refuser = address(new Refuser());
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_PaymentFailed.selector, refuser));
        vm.prank(PROPOSER);
        assertions.withdrawCredit(refuser);
    }

    function test_registry_judgesGames() external {
        address good = assertions.proposal(_propose(ROOT)).game;
        address bad = assertions.proposal(_propose(ROOT)).game;
        vm.prank(GUARDIAN);
        assertions.reject(1);
        assertTrue(assertions.isGameProper(good) && assertions.isGameRespected(good));
        assertFalse(assertions.isGameProper(bad));
        assertFalse(assertions.isGameFinalized(good) || assertions.isGameClaimValid(good));
        vm.warp(block.timestamp + WINDOW + 1);
        assertTrue(assertions.isGameFinalized(good) && assertions.isGameClaimValid(good));
        assertFalse(assertions.isGameClaimValid(bad));
    }

    function test_registry_doesNotBelieveStrangers() external {
        _propose(ROOT);
        Impostor impostor = new Impostor();
        assertFalse(assertions.isGameProper(address(impostor)));
        assertFalse(assertions.isGameRespected(ALICE));
        assertFalse(assertions.isGameClaimValid(address(portal)));
    }

    function test_upgrade_notOwner_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, ALICE, bytes32(0)
            )
        );
        vm.prank(ALICE);
        assertions.upgradeToAndCall(address(portal), "");
    }
}

/// @notice Claims to be the first game.
contract Impostor {
    function index() external pure returns (uint256) {
        return 0;
    }
}
