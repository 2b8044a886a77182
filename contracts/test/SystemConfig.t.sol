// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";

import {SystemConfig} from "../sol/l1/SystemConfig.sol";
import {ISystemConfig} from "../sol/l1/interfaces/ISystemConfig.sol";
import {Fixture} from "./Fixture.sol";

contract SystemConfigTest is Fixture {
    function _expect(ISystemConfig.UpdateType updateType, bytes memory data) private {
        vm.expectEmit();
        emit ISystemConfig.ConfigUpdate(0, updateType, data);
        vm.prank(OWNER);
    }

    function test_initialize_setsEveryValue_succeeds() external view {
        assertEq(systemConfig.owner(), OWNER);
        assertEq(systemConfig.feeRecipient(), OWNER);
        assertEq(systemConfig.gasLimit(), GAS_LIMIT);
        assertEq(systemConfig.maxDepositGas(), MAX_DEPOSIT_GAS);
        assertEq(systemConfig.minimumGasLimit(), MAX_DEPOSIT_GAS + 1_000_000);
        assertEq(systemConfig.basefeeScalar(), 1368);
        assertEq(systemConfig.blobbasefeeScalar(), 810949);
        assertEq(systemConfig.daFootprintGasScalar(), 400);
        assertEq(systemConfig.eip1559Denominator(), 250);
        assertEq(systemConfig.eip1559Elasticity(), 6);
        assertEq(systemConfig.minBaseFee(), 100_000);
    }

    function test_initialize_twice_reverts() external {
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        systemConfig.initialize(_init());
    }

    function test_initialize_implementation_reverts() external {
        SystemConfig implementation = new SystemConfig();
        vm.expectRevert(Initializable.InvalidInitialization.selector);
        implementation.initialize(_init());
    }

    function testFuzz_setGasConfigEcotone_emitsOpEncoding_succeeds(uint32 base, uint32 blob) external {
        uint256 scalar = (1 << 248) | (uint256(blob) << 32) | base;
        _expect(ISystemConfig.UpdateType.FEE_SCALARS, abi.encode(uint256(0), scalar));
        systemConfig.setGasConfigEcotone(base, blob);
        assertEq(systemConfig.scalar(), scalar);
    }

    function testFuzz_setGasLimit_insideBounds_succeeds(uint64 gasLimit) external {
        gasLimit = 21_000_000 + gasLimit % (500_000_000 - 21_000_000 + 1);
        _expect(ISystemConfig.UpdateType.GAS_LIMIT, abi.encode(gasLimit));
        systemConfig.setGasLimit(gasLimit);
        assertEq(systemConfig.gasLimit(), gasLimit);
    }

    function test_setGasLimit_belowDeposits_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(ISystemConfig.SystemConfig_GasLimitTooLow.selector, 21_000_000)
        );
        vm.prank(OWNER);
        systemConfig.setGasLimit(20_999_999);
    }

    function test_setGasLimit_aboveMaximum_reverts() external {
        vm.expectRevert(
            abi.encodeWithSelector(ISystemConfig.SystemConfig_GasLimitTooHigh.selector, 500_000_000)
        );
        vm.prank(OWNER);
        systemConfig.setGasLimit(500_000_001);
    }

    function testFuzz_setEIP1559Params_emitsOpEncoding_succeeds(uint32 denominator, uint32 elasticity)
        external
    {
        vm.assume(denominator != 0);
        elasticity = 1 + elasticity % 1_000;
        _expect(
            ISystemConfig.UpdateType.EIP_1559_PARAMS, abi.encode((uint256(denominator) << 32) | elasticity)
        );
        systemConfig.setEIP1559Params(denominator, elasticity);
    }

    function test_setEIP1559Params_zero_reverts() external {
        vm.expectRevert(ISystemConfig.SystemConfig_ZeroEip1559Param.selector);
        vm.prank(OWNER);
        systemConfig.setEIP1559Params(0, 6);
        vm.expectRevert(ISystemConfig.SystemConfig_ZeroEip1559Param.selector);
        vm.prank(OWNER);
        systemConfig.setEIP1559Params(250, 0);
    }

    /// @dev With a larger elasticity some gas limits would have a gas target of zero, by which clients divide.
    function test_setEIP1559Params_elasticityTooHigh_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_ElasticityTooHigh.selector, 1_000));
        vm.prank(OWNER);
        systemConfig.setEIP1559Params(250, 1_001);
    }

    /// @dev A base fee near 64 bits would overflow in the next full block.
    function test_setMinBaseFee_tooHigh_reverts() external {
        vm.expectRevert(abi.encodeWithSelector(ISystemConfig.SystemConfig_MinBaseFeeTooHigh.selector, 1e12));
        vm.prank(OWNER);
        systemConfig.setMinBaseFee(1e12 + 1);
    }

    function testFuzz_setOperatorFeeScalars_emitsOpEncoding_succeeds(uint32 scalar, uint64 constant_)
        external
    {
        _expect(ISystemConfig.UpdateType.OPERATOR_FEE_PARAMS, abi.encode((uint256(scalar) << 64) | constant_));
        systemConfig.setOperatorFeeScalars(scalar, constant_);
        assertEq(systemConfig.operatorFeeScalar(), scalar);
        assertEq(systemConfig.operatorFeeConstant(), constant_);
    }

    function testFuzz_setMinBaseFee_emitsOpEncoding_succeeds(uint64 fee) external {
        fee %= 1e12 + 1;
        _expect(ISystemConfig.UpdateType.MIN_BASE_FEE, abi.encode(fee));
        systemConfig.setMinBaseFee(fee);
        assertEq(systemConfig.minBaseFee(), fee);
    }

    function testFuzz_setDAFootprintGasScalar_emitsOpEncoding_succeeds(uint16 scalar) external {
        _expect(ISystemConfig.UpdateType.DA_FOOTPRINT_GAS_SCALAR, abi.encode(scalar));
        systemConfig.setDAFootprintGasScalar(scalar);
        assertEq(systemConfig.daFootprintGasScalar(), scalar);
    }

    function test_setFeeRecipient_zero_reverts() external {
        vm.expectRevert(ISystemConfig.SystemConfig_ZeroFeeRecipient.selector);
        vm.prank(OWNER);
        systemConfig.setFeeRecipient(address(0));
    }

    function test_setFeeRecipient_byOwner_succeeds() external {
        vm.prank(OWNER);
        systemConfig.setFeeRecipient(BOB);
        assertEq(systemConfig.feeRecipient(), BOB);
    }

    function test_setters_notOwner_revert() external {
        bytes[] memory calls = new bytes[](8);
        calls[0] = abi.encodeCall(ISystemConfig.setGasConfigEcotone, (1, 1));
        calls[1] = abi.encodeCall(ISystemConfig.setGasLimit, (30_000_000));
        calls[2] = abi.encodeCall(ISystemConfig.setEIP1559Params, (1, 1));
        calls[3] = abi.encodeCall(ISystemConfig.setOperatorFeeScalars, (1, 1));
        calls[4] = abi.encodeCall(ISystemConfig.setMinBaseFee, (1));
        calls[5] = abi.encodeCall(ISystemConfig.setDAFootprintGasScalar, (1));
        calls[6] = abi.encodeCall(ISystemConfig.setFeeRecipient, (ALICE));
        calls[7] = abi.encodeCall(systemConfig.upgradeToAndCall, (address(portal), ""));
        bytes memory refusal =
            abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, ALICE);
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(ALICE);
            (bool success, bytes memory answer) = address(systemConfig).call(calls[i]);
            assertFalse(success);
            assertEq(answer, refusal);
        }
    }

    function test_upgrade_byOwner_keepsValues_succeeds() external {
        address next = address(new SystemConfig());
        vm.prank(OWNER);
        systemConfig.upgradeToAndCall(next, "");
        assertEq(systemConfig.gasLimit(), GAS_LIMIT);
    }
}
