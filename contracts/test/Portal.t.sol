// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {Portal} from "../sol/l1/Portal.sol";
import {IAssertions} from "../sol/l1/interfaces/IAssertions.sol";
import {IPortal} from "../sol/l1/interfaces/IPortal.sol";
import {AddressAliasHelper} from "../sol/libraries/AddressAliasHelper.sol";
import {Hashing} from "../sol/libraries/Hashing.sol";
import {Types} from "../sol/libraries/Types.sol";
import {Fixture, Refuser} from "./Fixture.sol";

contract PortalDepositTest is Fixture {
    function _expectDeposit(address from, address to, bytes memory opaque) private {
        vm.expectEmit();
        emit IPortal.TransactionDeposited(from, to, 0, opaque);
    }

    function testFuzz_depositTransaction_fromAccount_succeeds(
        address to,
        uint96 mint,
        uint256 value,
        bytes calldata data
    ) external {
        uint64 gasLimit = portal.minimumGasLimit(uint64(data.length));
        vm.deal(ALICE, mint);
        _expectDeposit(ALICE, to, abi.encodePacked(uint256(mint), value, gasLimit, false, data));
        vm.prank(ALICE, ALICE);
        portal.depositTransaction{value: mint}(to, value, gasLimit, false, data);
        assertEq(address(portal).balance, mint);
    }

    function test_depositTransaction_fromContract_aliases_succeeds() external {
        Refuser caller = new Refuser();
        address from = AddressAliasHelper.applyL1ToL2Alias(address(caller));
        _expectDeposit(from, BOB, abi.encodePacked(uint256(0), uint256(0), uint64(100_000), false));
        caller.call(address(portal), abi.encodeCall(IPortal.depositTransaction, (BOB, 0, 100_000, false, "")));
    }

    function test_depositTransaction_fromDelegatedAccount_keepsAddress_succeeds() external {
        vm.etch(ALICE, abi.encodePacked(hex"ef0100", address(this)));
        _expectDeposit(ALICE, BOB, abi.encodePacked(uint256(0), uint256(0), uint64(100_000), false));
        vm.prank(ALICE, BOB);
        portal.depositTransaction(BOB, 0, 100_000, false, "");
    }

    function test_depositTransaction_23BytesOfOtherCode_aliases_succeeds() external {
        vm.etch(ALICE, abi.encodePacked(hex"600000", address(this)));
        address from = AddressAliasHelper.applyL1ToL2Alias(ALICE);
        _expectDeposit(from, BOB, abi.encodePacked(uint256(0), uint256(0), uint64(100_000), false));
        vm.prank(ALICE, BOB);
        portal.depositTransaction(BOB, 0, 100_000, false, "");
    }

    function test_receive_depositsToOneself_succeeds() external {
        _expectDeposit(ALICE, ALICE, abi.encodePacked(uint256(1), uint256(1), uint64(100_000), false));
        vm.prank(ALICE, ALICE);
        (bool success,) = address(portal).call{value: 1}("");
        assertTrue(success);
    }

    function test_donateETH_makesNoDeposit_succeeds() external {
        vm.prank(ALICE);
        portal.donateETH{value: 1 ether}();
        assertEq(inbox.depositCount(), 0);
        assertEq(address(portal).balance, 1 ether);
    }

    function test_depositTransaction_creationWithTarget_reverts() external {
        vm.expectRevert(IPortal.OptimismPortal_BadTarget.selector);
        portal.depositTransaction(BOB, 0, 100_000, true, "");
    }

    function testFuzz_depositTransaction_gasBelowMinimum_reverts(bytes calldata data, uint64 gasLimit)
        external
    {
        gasLimit = gasLimit % portal.minimumGasLimit(uint64(data.length));
        vm.expectRevert(IPortal.OptimismPortal_GasLimitTooLow.selector);
        portal.depositTransaction(BOB, 0, gasLimit, false, data);
    }

    function test_depositTransaction_dataTooLarge_reverts() external {
        vm.expectRevert(IPortal.OptimismPortal_CalldataTooLarge.selector);
        portal.depositTransaction(BOB, 0, 20_000_000, false, new bytes(120_001));
    }

    function test_depositTransaction_gasOfBlockExhausted_reverts() external {
        portal.depositTransaction(BOB, 0, MAX_DEPOSIT_GAS - 50_000, false, "");
        vm.expectRevert(abi.encodeWithSelector(IPortal.Portal_DepositGasExhausted.selector, 50_000));
        portal.depositTransaction(BOB, 0, 50_001, false, "");
        portal.depositTransaction(BOB, 0, 50_000, false, "");
        vm.roll(block.number + 1);
        portal.depositTransaction(BOB, 0, MAX_DEPOSIT_GAS, false, "");
        assertEq(inbox.depositCount(), 3);
    }

    function test_depositTransaction_whilePaused_succeeds() external {
        vm.prank(GUARDIAN);
        portal.pause();
        portal.depositTransaction(BOB, 0, 100_000, false, "");
    }
}

contract PortalWithdrawalTest is Fixture {
    Refuser private target;

    function setUp() public override {
        super.setUp();
        target = new Refuser();
        target.set(true, false);
        vm.deal(address(portal), 10 ether);
    }

    function _withdrawal() private view returns (Types.WithdrawalTransaction memory) {
        return Types.WithdrawalTransaction({
            nonce: (uint256(1) << 240) | 5,
            sender: BOB,
            target: address(target),
            value: 1 ether,
            gasLimit: 100_000,
            data: ""
        });
    }

    function testFuzz_finalize_paysOnce_succeeds(uint256 nonce, address sender, uint96 value) external {
        value = value % 10 ether;
        Types.WithdrawalTransaction memory w = _withdrawal();
        (w.nonce, w.sender, w.value) = (nonce, sender, value);
        _proveAndFinalize(w);
        assertEq(address(target).balance, value);
        assertTrue(portal.finalizedWithdrawals(Hashing.withdrawalHash(w)));
        assertEq(portal.l2Sender(), address(0xdEaD));
        vm.expectRevert(IPortal.OptimismPortal_AlreadyFinalized.selector);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(w);
    }

    function test_finalize_externalProof_anyoneMayCall_succeeds() external {
        Types.WithdrawalTransaction memory w = _withdrawal();
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectEmit();
        emit IPortal.WithdrawalFinalized(Hashing.withdrawalHash(w), true);
        vm.prank(BOB);
        portal.finalizeWithdrawalTransactionExternalProof(w, ALICE);
    }

    function test_finalize_targetRefuses_countsAsFinalized() external {
        target.set(false, false);
        Types.WithdrawalTransaction memory w = _withdrawal();
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectEmit();
        emit IPortal.WithdrawalFinalized(Hashing.withdrawalHash(w), false);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(w);
        assertTrue(portal.finalizedWithdrawals(Hashing.withdrawalHash(w)));
        assertEq(address(portal).balance, 10 ether);
    }

    function test_finalize_targetRefusesInEstimation_reverts() external {
        target.set(false, false);
        Types.WithdrawalTransaction memory w = _withdrawal();
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectRevert(IPortal.OptimismPortal_GasEstimation.selector);
        vm.prank(ALICE, address(1));
        portal.finalizeWithdrawalTransaction(w);
    }

    function test_finalize_moreThanThePortalHolds_waits() external {
        Types.WithdrawalTransaction memory w = _withdrawal();
        w.value = 11 ether;
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IPortal.Portal_InsufficientBalance.selector, 10 ether));
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(w);
        vm.deal(address(portal), 11 ether);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(w);
        assertEq(address(target).balance, 11 ether);
    }

    function test_finalize_tooLittleGas_reverts() external {
        Types.WithdrawalTransaction memory w = _withdrawal();
        w.gasLimit = 5_000_000;
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectRevert(IPortal.Portal_InsufficientGas.selector);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction{gas: 5_000_000}(w);
    }

    function test_finalize_absurdGas_reverts() external {
        Types.WithdrawalTransaction memory w = _withdrawal();
        w.gasLimit = type(uint256).max;
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectRevert(IPortal.Portal_InsufficientGas.selector);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(w);
    }

    function test_finalize_unproven_reverts() external {
        vm.expectRevert(IPortal.OptimismPortal_Unproven.selector);
        portal.finalizeWithdrawalTransaction(_withdrawal());
    }

    function test_finalize_provenByAnother_reverts() external {
        _prove(_withdrawal());
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectRevert(IPortal.OptimismPortal_Unproven.selector);
        vm.prank(BOB);
        portal.finalizeWithdrawalTransaction(_withdrawal());
    }

    function testFuzz_finalize_windowOpen_reverts(uint64 elapsed) external {
        _prove(_withdrawal());
        vm.warp(block.timestamp + elapsed % (WINDOW + 1));
        vm.expectRevert(IPortal.OptimismPortal_ProofNotOldEnough.selector);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(_withdrawal());
    }

    function test_finalize_claimRejected_reverts() external {
        uint256 index = _prove(_withdrawal());
        vm.prank(GUARDIAN);
        assertions.reject(index);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.expectRevert(IPortal.OptimismPortal_InvalidRootClaim.selector);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(_withdrawal());
    }

    function test_finalize_paused_reverts() external {
        _prove(_withdrawal());
        vm.warp(block.timestamp + WINDOW + 1);
        vm.prank(GUARDIAN);
        portal.pause();
        vm.expectRevert(IPortal.OptimismPortal_CallPaused.selector);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(_withdrawal());
        vm.warp(portal.pausedUntil());
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(_withdrawal());
    }

    function test_finalize_reentrant_isRefusedAndCountsAsFinalized() external {
        Types.WithdrawalTransaction memory inner = _withdrawal();
        Reenterer reenterer = new Reenterer(portal);
        Types.WithdrawalTransaction memory outer = _withdrawal();
        (outer.nonce, outer.target, outer.gasLimit) = (6, address(reenterer), 300_000);
        outer.data = abi.encodeCall(Reenterer.go, (inner, ALICE));
        _prove(inner);
        _proveAndFinalize(outer);
        assertEq(reenterer.answer(), abi.encodeWithSelector(IPortal.OptimismPortal_NoReentrancy.selector));
        assertFalse(portal.finalizedWithdrawals(Hashing.withdrawalHash(inner)));
        assertEq(reenterer.sender(), BOB);
    }

    function test_prove_paused_reverts() external {
        (Types.OutputRootProof memory output, bytes[] memory proof) =
            _proof(Hashing.withdrawalHash(_withdrawal()));
        vm.prank(GUARDIAN);
        portal.pause();
        vm.expectRevert(IPortal.OptimismPortal_CallPaused.selector);
        portal.proveWithdrawalTransaction(_withdrawal(), 0, output, proof);
    }

    function test_prove_targetIsPortalOrInbox_reverts() external {
        Types.WithdrawalTransaction memory w = _withdrawal();
        (Types.OutputRootProof memory output, bytes[] memory proof) = _proof(0);
        w.target = address(portal);
        vm.expectRevert(IPortal.OptimismPortal_BadTarget.selector);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
        w.target = address(inbox);
        vm.expectRevert(IPortal.OptimismPortal_BadTarget.selector);
        portal.proveWithdrawalTransaction(w, 0, output, proof);
    }

    function test_prove_unknownClaim_reverts() external {
        (Types.OutputRootProof memory output, bytes[] memory proof) = _proof(0);
        vm.expectRevert(abi.encodeWithSelector(IAssertions.Assertions_Unknown.selector, 9));
        portal.proveWithdrawalTransaction(_withdrawal(), 9, output, proof);
    }

    function test_prove_claimRejected_reverts() external {
        (Types.OutputRootProof memory output, bytes[] memory proof) =
            _proof(Hashing.withdrawalHash(_withdrawal()));
        uint256 index = _propose(Hashing.outputRoot(output));
        vm.prank(GUARDIAN);
        assertions.reject(index);
        vm.expectRevert(IPortal.OptimismPortal_InvalidDisputeGame.selector);
        portal.proveWithdrawalTransaction(_withdrawal(), index, output, proof);
    }

    function test_prove_otherOutput_reverts() external {
        (Types.OutputRootProof memory output, bytes[] memory proof) =
            _proof(Hashing.withdrawalHash(_withdrawal()));
        uint256 index = _propose(Hashing.outputRoot(output));
        output.stateRoot = keccak256("other state");
        vm.expectRevert(IPortal.OptimismPortal_InvalidOutputRootProof.selector);
        portal.proveWithdrawalTransaction(_withdrawal(), index, output, proof);
    }

    function testFuzz_prove_notSent_reverts(uint256 nonce) external {
        vm.assume(nonce != _withdrawal().nonce);
        (Types.OutputRootProof memory output, bytes[] memory proof) =
            _proof(Hashing.withdrawalHash(_withdrawal()));
        uint256 index = _propose(Hashing.outputRoot(output));
        Types.WithdrawalTransaction memory w = _withdrawal();
        w.nonce = nonce;
        vm.expectRevert(IPortal.OptimismPortal_InvalidMerkleProof.selector);
        portal.proveWithdrawalTransaction(w, index, output, proof);
    }

    function testFuzz_prove_proofBytesChanged_reverts(uint256 position, uint8 flip) external {
        vm.assume(flip != 0);
        (Types.OutputRootProof memory output, bytes[] memory proof) =
            _proof(Hashing.withdrawalHash(_withdrawal()));
        uint256 index = _propose(Hashing.outputRoot(output));
        position %= proof[0].length;
        proof[0][position] = bytes1(uint8(proof[0][position]) ^ flip);
        vm.expectRevert(IPortal.OptimismPortal_InvalidMerkleProof.selector);
        portal.proveWithdrawalTransaction(_withdrawal(), index, output, proof);
    }

    function test_prove_records_succeeds() external {
        uint256 index = _prove(_withdrawal());
        bytes32 hash = Hashing.withdrawalHash(_withdrawal());
        (address game, uint64 timestamp) = portal.provenWithdrawals(hash, ALICE);
        assertEq(game, assertions.proposal(index).game);
        assertEq(timestamp, block.timestamp);
        assertEq(portal.numProofSubmitters(hash), 1);
        assertEq(portal.proofSubmitters(hash, 0), ALICE);
    }

    /// @dev A storage trie of several withdrawals, made by alloy-trie.
    function test_prove_deepTrie_succeeds() external {
        string memory json = vm.readFile("../tests/vectors/withdrawal.json");
        Types.WithdrawalTransaction memory w = Types.WithdrawalTransaction({
            nonce: vm.parseJsonUint(json, ".nonce"),
            sender: vm.parseJsonAddress(json, ".sender"),
            target: vm.parseJsonAddress(json, ".target"),
            value: vm.parseJsonUint(json, ".value"),
            gasLimit: vm.parseJsonUint(json, ".gasLimit"),
            data: vm.parseJsonBytes(json, ".data")
        });
        assertEq(Hashing.withdrawalHash(w), vm.parseJsonBytes32(json, ".withdrawalHash"));
        Types.OutputRootProof memory output = Types.OutputRootProof({
            version: 0,
            stateRoot: vm.parseJsonBytes32(json, ".stateRoot"),
            messagePasserStorageRoot: vm.parseJsonBytes32(json, ".messagePasserStorageRoot"),
            latestBlockhash: vm.parseJsonBytes32(json, ".latestBlockhash")
        });
        assertEq(Hashing.outputRoot(output), vm.parseJsonBytes32(json, ".outputRoot"));
        uint256 index = _propose(Hashing.outputRoot(output));
        bytes[] memory proof = vm.parseJsonBytesArray(json, ".withdrawalProof");
        portal.proveWithdrawalTransaction(w, index, output, proof);
    }

    function test_pause_expiresAndCoolsDown_succeeds() external {
        vm.startPrank(GUARDIAN);
        portal.pause();
        assertTrue(portal.paused());
        uint64 until = portal.pausedUntil();
        vm.warp(until);
        assertFalse(portal.paused());
        uint64 next = until + portal.PAUSE_PERIOD();
        vm.expectRevert(abi.encodeWithSelector(IPortal.Portal_PauseCooldown.selector, next));
        portal.pause();
        vm.warp(next);
        portal.pause();
        vm.stopPrank();
    }

    function test_pause_notGuardian_reverts() external {
        bytes32 role = portal.GUARDIAN_ROLE();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, OWNER, role)
        );
        vm.prank(OWNER);
        portal.pause();
    }

    function test_unpause_byOwner_succeeds() external {
        vm.prank(GUARDIAN);
        portal.pause();
        vm.prank(OWNER);
        portal.unpause();
        assertFalse(portal.paused());
    }

    function test_unpause_stranger_reverts() external {
        vm.prank(GUARDIAN);
        portal.pause();
        bytes32 role = portal.GUARDIAN_ROLE();
        vm.expectRevert(
            abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, ALICE, role)
        );
        vm.prank(ALICE);
        portal.unpause();
    }

    function test_unpause_notPaused_reverts() external {
        vm.expectRevert(IPortal.Portal_NotPaused.selector);
        vm.prank(GUARDIAN);
        portal.unpause();
    }

    function test_initialize_twice_reverts() external {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        portal.initialize(ALICE, ALICE, ALICE, systemConfig, assertions, 0);
    }

    function test_upgrade_notOwner_reverts() external {
        address next = address(new Portal());
        vm.expectRevert(
            abi.encodeWithSelector(
                IAccessControl.AccessControlUnauthorizedAccount.selector, GUARDIAN, bytes32(0)
            )
        );
        vm.prank(GUARDIAN);
        portal.upgradeToAndCall(next, "");
    }

    function test_views_answerOpClients() external view {
        assertTrue(bytes(portal.version())[0] == "3");
        assertEq(address(portal.disputeGameFactory()), address(assertions));
        assertEq(address(portal.anchorStateRegistry()), address(assertions));
        assertEq(portal.respectedGameType(), 1);
        assertEq(portal.proofMaturityDelaySeconds(), WINDOW);
    }
}

/// @notice Tries to have another withdrawal paid while its own is.
contract Reenterer {
    Portal private immutable portal;
    bytes public answer;
    address public sender;

    constructor(Portal portal_) {
        portal = portal_;
    }

    function go(Types.WithdrawalTransaction calldata inner, address submitter) external payable {
        sender = portal.l2Sender();
        (, answer) = address(portal)
            .call(abi.encodeCall(IPortal.finalizeWithdrawalTransactionExternalProof, (inner, submitter)));
    }
}
