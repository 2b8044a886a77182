// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FeeVault} from "../sol/l2/FeeVault.sol";
import {OptimismMintableERC20} from "../sol/l2/OptimismMintableERC20.sol";
import {WETH9} from "../sol/l2/WETH9.sol";
import {IFeeVault} from "../sol/l2/interfaces/IFeeVault.sol";
import {IGasPriceOracle} from "../sol/l2/interfaces/IGasPriceOracle.sol";
import {IL1Block} from "../sol/l2/interfaces/IL1Block.sol";
import {IL2ToL1MessagePasser} from "../sol/l2/interfaces/IL2ToL1MessagePasser.sol";
import {ILegacyMintableERC20, IOptimismMintableERC20} from "../sol/l2/interfaces/IOptimismMintableERC20.sol";
import {IOptimismMintableERC20Factory} from "../sol/l2/interfaces/IOptimismMintableERC20Factory.sol";
import {Hashing} from "../sol/libraries/Hashing.sol";
import {Predeploys} from "../sol/libraries/Predeploys.sol";
import {Types} from "../sol/libraries/Types.sol";
import {Fixture, Refuser} from "./Fixture.sol";

contract L2Test is Fixture {
    struct Attributes {
        uint32 baseFeeScalar;
        uint32 blobBaseFeeScalar;
        uint64 sequenceNumber;
        uint64 timestamp;
        uint64 number;
        uint256 basefee;
        uint256 blobBaseFee;
        bytes32 hash;
        bytes32 batcherHash;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint16 daFootprintGasScalar;
    }

    function _set(Attributes memory a) private {
        bytes memory head = abi.encodePacked(
            bytes4(0x3db6be2b), a.baseFeeScalar, a.blobBaseFeeScalar, a.sequenceNumber, a.timestamp, a.number
        );
        bytes memory data = abi.encodePacked(
            head,
            a.basefee,
            a.blobBaseFee,
            a.hash,
            a.batcherHash,
            a.operatorFeeScalar,
            a.operatorFeeConstant,
            a.daFootprintGasScalar
        );
        assertEq(data.length, 178);
        vm.prank(Predeploys.L1_ATTRIBUTES_DEPOSITOR);
        (bool success,) = address(l1Block).call(data);
        assertTrue(success);
    }

    function testFuzz_l1Block_readsAttributes_succeeds(Attributes memory a) external {
        _set(a);
        assertEq(l1Block.baseFeeScalar(), a.baseFeeScalar);
        assertEq(l1Block.blobBaseFeeScalar(), a.blobBaseFeeScalar);
        assertEq(l1Block.sequenceNumber(), a.sequenceNumber);
        assertEq(l1Block.timestamp(), a.timestamp);
        assertEq(l1Block.number(), a.number);
        assertEq(l1Block.basefee(), a.basefee);
        assertEq(l1Block.blobBaseFee(), a.blobBaseFee);
        assertEq(l1Block.hash(), a.hash);
        assertEq(l1Block.batcherHash(), a.batcherHash);
        assertEq(l1Block.operatorFeeScalar(), a.operatorFeeScalar);
        assertEq(l1Block.operatorFeeConstant(), a.operatorFeeConstant);
        assertEq(l1Block.daFootprintGasScalar(), a.daFootprintGasScalar);
    }

    /// @dev The slots and offsets that execution reads.
    function testFuzz_l1Block_hasOpLayout(Attributes memory a) external {
        _set(a);
        uint256 scalars = (uint256(a.baseFeeScalar) << 96) | (uint256(a.blobBaseFeeScalar) << 64);
        assertEq(vm.load(address(l1Block), bytes32(uint256(1))), bytes32(a.basefee));
        assertEq(vm.load(address(l1Block), bytes32(uint256(3))), bytes32(scalars | a.sequenceNumber));
        assertEq(vm.load(address(l1Block), bytes32(uint256(7))), bytes32(a.blobBaseFee));
        uint256 operator = (uint256(a.operatorFeeScalar) << 64) | a.operatorFeeConstant;
        assertEq(
            vm.load(address(l1Block), bytes32(uint256(8))),
            bytes32((uint256(a.daFootprintGasScalar) << 96) | operator)
        );
    }

    function test_l1Block_selectorIsOps() external pure {
        assertTrue(IL1Block.setL1BlockValuesJovian.selector == bytes4(0x3db6be2b));
    }

    function test_l1Block_notDepositor_reverts() external {
        vm.expectRevert(IL1Block.NotDepositor.selector);
        l1Block.setL1BlockValuesJovian();
    }

    function testFuzz_messagePasser_recordsTheMessage_succeeds(
        address target,
        uint96 value,
        uint256 gasLimit,
        bytes calldata data
    ) external {
        vm.deal(ALICE, value);
        uint256 nonce = passer.messageNonce();
        assertEq(nonce >> 240, 1);
        bytes32 hash = keccak256(abi.encode(nonce, ALICE, target, uint256(value), gasLimit, data));
        vm.expectEmit();
        emit IL2ToL1MessagePasser.MessagePassed(nonce, ALICE, target, value, gasLimit, data, hash);
        vm.prank(ALICE);
        passer.initiateWithdrawal{value: value}(target, gasLimit, data);
        assertTrue(passer.sentMessages(hash));
        assertEq(passer.messageNonce(), nonce + 1);
        bytes32 slot = keccak256(abi.encode(hash, uint256(0)));
        assertEq(vm.load(address(passer), slot), bytes32(uint256(1)));
    }

    function test_messagePasser_receive_withdrawsToOneself_succeeds() external {
        vm.recordLogs();
        vm.prank(ALICE);
        (bool success,) = address(passer).call{value: 1}("");
        assertTrue(success);
        Types.WithdrawalTransaction memory w = _lastWithdrawal();
        assertEq(w.target, ALICE);
        assertEq(w.value, 1);
        assertTrue(passer.sentMessages(Hashing.withdrawalHash(w)));
    }

    function test_messagePasser_burn_succeeds() external {
        vm.deal(address(passer), 3 ether);
        vm.expectEmit();
        emit IL2ToL1MessagePasser.WithdrawerBalanceBurnt(3 ether);
        passer.burn();
        assertEq(address(passer).balance, 0);
    }

    function _fees() private returns (Attributes memory a) {
        a.baseFeeScalar = 1368;
        a.blobBaseFeeScalar = 810949;
        a.basefee = 20 gwei;
        a.blobBaseFee = 3 gwei;
        a.operatorFeeScalar = 2_000;
        a.operatorFeeConstant = 5;
        _set(a);
    }

    function test_gasPriceOracle_smallTransactionsPayTheMinimum() external {
        Attributes memory a = _fees();
        uint256 scaled = uint256(a.baseFeeScalar) * 16 * a.basefee + a.blobBaseFeeScalar * a.blobBaseFee;
        assertEq(oracle.getL1Fee(""), 100e6 * scaled / 1e12);
        assertEq(oracle.getL1GasUsed(""), 1600);
    }

    function test_gasPriceOracle_largeTransactionsPayBySize() external {
        Attributes memory a = _fees();
        bytes memory data = new bytes(1_000);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = bytes1(uint8(uint256(keccak256(abi.encode(i)))));
        }
        // Random bytes: FastLZ adds one byte per 32.
        uint256 fastLz = 1_000 + 32 + 68;
        uint256 scaled = uint256(a.baseFeeScalar) * 16 * a.basefee + a.blobBaseFeeScalar * a.blobBaseFee;
        assertEq(oracle.getL1Fee(data), (836_500 * fastLz - 42_585_600) * scaled / 1e12);
        assertTrue(oracle.getL1FeeUpperBound(1_000) < oracle.getL1Fee(data) * 11 / 10);
        uint256 bound = 1_068 + 4 + 16;
        assertEq(oracle.getL1FeeUpperBound(1_000), (836_500 * bound - 42_585_600) * scaled / 1e12);
    }

    function test_gasPriceOracle_operatorFeeIsJovians() external {
        _fees();
        assertEq(oracle.getOperatorFee(1_000), 1_000 * 2_000 * 100 + 5);
    }

    function test_gasPriceOracle_viewsAnswer() external {
        Attributes memory a = _fees();
        vm.fee(7);
        assertEq(oracle.gasPrice(), 7);
        assertEq(oracle.baseFee(), 7);
        assertEq(oracle.l1BaseFee(), a.basefee);
        assertEq(oracle.blobBaseFee(), a.blobBaseFee);
        assertEq(oracle.baseFeeScalar(), a.baseFeeScalar);
        assertEq(oracle.blobBaseFeeScalar(), a.blobBaseFeeScalar);
        assertEq(oracle.decimals(), 6);
        assertTrue(oracle.isEcotone() && oracle.isFjord() && oracle.isIsthmus() && oracle.isJovian());
    }

    function test_gasPriceOracle_deprecated_reverts() external {
        vm.expectRevert(IGasPriceOracle.GasPriceOracle_Deprecated.selector);
        oracle.overhead();
        vm.expectRevert(IGasPriceOracle.GasPriceOracle_Deprecated.selector);
        oracle.scalar();
    }

    function test_feeVault_feesReachL1_succeeds() external {
        FeeVault vault = new FeeVault();
        vm.deal(address(portal), 1 ether);
        vm.prank(ALICE);
        (bool success,) = address(vault).call{value: 1 ether}("");
        assertTrue(success);
        vm.recordLogs();
        assertEq(vault.withdraw(), 1 ether);
        assertEq(vault.totalProcessed(), 1 ether);
        _proveAndFinalize(_lastWithdrawal());
        assertEq(bridge.claimable(address(0), OWNER), 1 ether);
        assertEq(vault.recipient(), address(bridge));
    }

    function test_feeVault_tooLittle_reverts() external {
        FeeVault vault = new FeeVault();
        vm.deal(address(vault), 0.1 ether - 1);
        vm.expectRevert(abi.encodeWithSelector(IFeeVault.FeeVault_TooLittle.selector, 0.1 ether - 1));
        vault.withdraw();
    }

    function testFuzz_weth_wrapsAndUnwraps_succeeds(uint96 amount) external {
        WETH9 weth = new WETH9();
        vm.deal(ALICE, amount);
        vm.startPrank(ALICE);
        (bool success,) = address(weth).call{value: amount}("");
        assertTrue(success);
        assertEq(weth.balanceOf(ALICE), amount);
        assertEq(weth.totalSupply(), amount);
        weth.withdraw(amount);
        vm.stopPrank();
        assertEq(ALICE.balance, amount);
        assertEq(weth.totalSupply(), 0);
    }

    function test_weth_unknownCall_wraps_succeeds() external {
        WETH9 weth = new WETH9();
        vm.prank(ALICE);
        (bool success,) = address(weth).call{value: 1}(hex"12345678");
        assertTrue(success);
        assertEq(weth.balanceOf(ALICE), 1);
        assertEq(bytes(weth.symbol()), "WETH");
        assertEq(bytes(weth.name()), "Wrapped Ether");
    }

    function test_weth_receiverRefuses_reverts() external {
        WETH9 weth = new WETH9();
        Refuser refuser = new Refuser();
        vm.deal(address(this), 1);
        refuser.call{value: 1}(address(weth), abi.encodeCall(WETH9.deposit, ()));
        vm.expectRevert(abi.encodeWithSelector(WETH9.WETH9_PaymentFailed.selector, address(refuser)));
        refuser.call(address(weth), abi.encodeCall(WETH9.withdraw, (1)));
    }

    function test_factory_createsAtPredictableAddresses_succeeds() external {
        address a = factory.createOptimismMintableERC20WithDecimals(BOB, "A", "A", 6);
        assertEq(factory.deployments(a), BOB);
        OptimismMintableERC20 token = OptimismMintableERC20(a);
        assertEq(token.decimals(), 6);
        assertEq(token.remoteToken(), BOB);
        assertEq(token.l1Token(), BOB);
        assertEq(token.bridge(), address(l2Bridge));
        assertEq(token.l2Bridge(), address(l2Bridge));
        assertTrue(token.supportsInterface(0x01ffc9a7));
        assertTrue(token.supportsInterface(type(ILegacyMintableERC20).interfaceId));
        assertTrue(token.supportsInterface(type(IOptimismMintableERC20).interfaceId));
        assertFalse(token.supportsInterface(0xffffffff));
        vm.expectRevert();
        factory.createOptimismMintableERC20WithDecimals(BOB, "A", "A", 6);
        assertTrue(factory.createStandardL2Token(BOB, "A", "A") != a);
    }

    function test_factory_zeroRemoteToken_reverts() external {
        vm.expectRevert(IOptimismMintableERC20Factory.OptimismMintableERC20Factory_ZeroRemoteToken.selector);
        factory.createStandardL2Token(address(0), "A", "A");
    }
}
