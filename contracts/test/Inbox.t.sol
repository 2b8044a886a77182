// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../sol/l1/interfaces/IInbox.sol";
import {Fixture} from "./Fixture.sol";
import {console} from "./console.sol";

contract InboxTest is Fixture {
    function _hash(bytes32 tip, bytes32 commitment, uint8 daType) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                tip,
                commitment,
                daType,
                inbox.depositAccumulator(),
                inbox.depositCount(),
                BATCHER,
                block.number,
                block.timestamp,
                blockhash(block.number - 1)
            )
        );
    }

    function _blobs(uint256 count) private returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = bytes32((uint256(1) << 248) | uint256(keccak256(abi.encode(i))) >> 8);
        }
        vm.blobhashes(hashes);
    }

    function testFuzz_appendBatch_chainsTheHash_succeeds(bytes calldata first, bytes calldata second)
        external
    {
        vm.assume(first.length != 0 && second.length != 0);
        bytes32 hash = _hash(0, keccak256(first), 0);
        vm.expectEmit();
        emit IInbox.BatchAppended(0, hash, keccak256(first), 0, 0, 0, BATCHER);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch(first);
        bytes32 tip = inbox.batchTip();
        assertEq(bytes32(bytes26(tip)), bytes32(bytes26(hash)));
        assertEq(inbox.batchCount(), 1);

        bytes32 next = _hash(tip, keccak256(second), 0);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch(second);
        assertEq(bytes32(bytes26(inbox.batchTip())), bytes32(bytes26(next)));
        assertEq(inbox.batchCount(), 2);
    }

    function test_appendBlobs_commitsToEveryBlob_succeeds() external {
        bytes32[] memory hashes = _blobs(6);
        bytes32 commitment = keccak256(abi.encodePacked(hashes));
        bytes32 hash = _hash(0, commitment, 1);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBlobs();
        assertEq(bytes32(bytes26(inbox.batchTip())), bytes32(bytes26(hash)));
    }

    function test_append_commitsToDeposits_succeeds() external {
        vm.prank(ALICE, ALICE);
        portal.depositTransaction{value: 1}(BOB, 1, 100_000, false, "");
        assertEq(inbox.depositCount(), 1);
        bytes32 opaque = keccak256(abi.encodePacked(uint256(1), uint256(1), uint64(100_000), false));
        bytes32 deposit = keccak256(abi.encode(ALICE, BOB, uint256(0), opaque, block.number));
        assertEq(inbox.depositAccumulator(), keccak256(abi.encode(bytes32(0), deposit)));
        bytes32 hash = _hash(0, keccak256("x"), 0);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch("x");
        assertEq(bytes32(bytes26(inbox.batchTip())), bytes32(bytes26(hash)));
    }

    function test_appendBatch_notBatcher_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotBatcher.selector, ALICE));
        vm.prank(ALICE, ALICE);
        inbox.appendBatch("x");
    }

    function test_appendBatch_throughContract_reverts() external {
        vm.expectRevert(IInbox.Inbox_NotDirect.selector);
        vm.prank(BATCHER, ALICE);
        inbox.appendBatch("x");
    }

    function test_appendBatch_delegatedBatcher_reverts() external {
        vm.etch(BATCHER, abi.encodePacked(hex"ef0100", address(this)));
        vm.expectRevert(IInbox.Inbox_NotDirect.selector);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch("x");
    }

    function test_appendBatch_empty_reverts() external {
        vm.expectRevert(IInbox.Inbox_Empty.selector);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch("");
    }

    function test_appendBlobs_withoutBlobs_reverts() external {
        vm.expectRevert(IInbox.Inbox_Empty.selector);
        vm.prank(BATCHER, BATCHER);
        inbox.appendBlobs();
    }

    function test_setBatcher_byOwner_succeeds() external {
        vm.expectEmit();
        emit IInbox.BatcherSet(BOB);
        vm.prank(OWNER);
        inbox.setBatcher(BOB);
        vm.prank(BOB, BOB);
        inbox.appendBatch("x");
        assertEq(inbox.batcher(), BOB);
    }

    function test_setBatcher_notOwner_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotOwner.selector, BATCHER));
        vm.prank(BATCHER);
        inbox.setBatcher(BOB);
    }

    function test_recordDeposit_notPortal_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(IInbox.Inbox_NotPortal.selector, ALICE));
        vm.prank(ALICE);
        inbox.recordDeposit(keccak256("x"));
    }

    /// @dev Isolated, each call is a transaction of its own: slots are cold, intrinsic gas counts. Isolated calls
    ///      cannot carry blobs, so the smallest calldata batch stands for them: it pays 420 gas for calldata that
    ///      blobs save, and each blob costs about 50.
    /// forge-config: default.isolate = true
    function test_append_gasPerBatch() external {
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch("the first batch fills the slot");
        vm.prank(ALICE, ALICE);
        portal.depositTransaction(BOB, 0, 100_000, false, "");
        vm.prank(BATCHER, BATCHER);
        inbox.appendBatch("x");
        uint256 used = vm.lastCallGas().gasTotalUsed;
        console.log("inbox gas per batch, intrinsic gas included:", used);
        assertTrue(used <= 34_900);
    }
}
