// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Predeploys} from "../sol/libraries/Predeploys.sol";
import {Types} from "../sol/libraries/Types.sol";
import {AddressAliasHelper} from "../sol/libraries/AddressAliasHelper.sol";
import {IBridgeFinalizer} from "../sol/libraries/IBridgeFinalizer.sol";
import {Fixture, Refuser, Token} from "./Fixture.sol";

/// @notice What the bridge sends always has the gas that it needs, whoever receives it and whoever relays it.
contract BridgeGasTest is Fixture {
    Refuser private burner;
    BurningToken private token;

    function setUp() public override {
        super.setUp();
        burner = new Refuser();
        burner.set(false, true);
        token = new BurningToken();
        vm.deal(address(portal), 10 ether);
    }

    /// @dev Isolated: the deposit runs as a transaction of its own, with cold slots and intrinsic gas.
    /// forge-config: default.isolate = true
    function testFuzz_deposit_receiverBurnsAllGas_goesBack(uint16 size, uint8 filler) external {
        bytes memory extraData = _filled(uint256(size) % 60_000, filler);
        bytes memory message =
            abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (ALICE, address(burner), 1 ether, extraData));
        vm.recordLogs();
        vm.prank(ALICE, ALICE);
        bridge.depositETHTo{value: 1 ether}(address(burner), 0, extraData);
        address from = AddressAliasHelper.applyL1ToL2Alias(address(bridge));
        vm.deal(from, 1 ether);
        vm.recordLogs();
        vm.prank(from, from);
        (bool success,) = address(l2Bridge).call{value: 1 ether, gas: 280_000 + 120 * message.length}(message);
        assertTrue(success);
        Types.WithdrawalTransaction memory w = _lastWithdrawal();
        assertEq(w.value, 1 ether);
        assertEq(w.target, address(bridge));
    }

    /// @dev The relayer chooses the gas: whatever it is, the receiver is paid or credited, or nothing happens.
    /// forge-config: default.isolate = true
    function testFuzz_finalizeETH_anyRelayerGas_neverLosesIt(uint16 size, uint24 gas) external {
        bytes memory extraData = _filled(uint256(size) % 4_000, 1);
        bytes memory data =
            abi.encodeCall(IBridgeFinalizer.finalizeBridgeETH, (ALICE, address(burner), 1 ether, extraData));
        if (_relayed(1 ether, data, gas)) assertEq(bridge.claimable(address(0), address(burner)), 1 ether);
    }

    /// forge-config: default.isolate = true
    function testFuzz_finalizeERC20_anyRelayerGas_neverLosesIt(uint16 size, uint24 gas) external {
        bytes memory extraData = _filled(uint256(size) % 4_000, 1);
        vm.prank(ALICE, ALICE);
        bridge.depositERC20To(address(token), address(0x12), BOB, 5, 0, "");
        bytes memory data = abi.encodeCall(
            IBridgeFinalizer.finalizeBridgeERC20, (address(token), address(0x12), ALICE, BOB, 5, extraData)
        );
        if (_relayed(0, data, gas)) assertEq(bridge.claimable(address(token), BOB), 5);
    }

    /// @dev Finalizes with at least the gas of a withdrawal without a receiver's share; false if that reverts.
    function _relayed(uint256 value, bytes memory data, uint24 gas) private returns (bool success) {
        Types.WithdrawalTransaction memory w = Types.WithdrawalTransaction({
            nonce: 7,
            sender: Predeploys.L2_STANDARD_BRIDGE,
            target: address(bridge),
            value: value,
            gasLimit: 250_000 + 64 * data.length,
            data: data
        });
        _prove(w);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.prank(BOB, BOB);
        bytes memory call = abi.encodeCall(portal.finalizeWithdrawalTransactionExternalProof, (w, ALICE));
        (success,) = address(portal).call{gas: 300_000 + 64 * data.length + uint256(gas) % 400_000}(call);
    }

    function _filled(uint256 length, uint8 filler) private pure returns (bytes memory data) {
        data = new bytes(length);
        assembly ("memory-safe") {
            let word := mul(div(not(0), 255), filler)
            for { let i := 0 } lt(i, length) { i := add(i, 32) } {
                mstore(add(add(data, 32), i), word)
            }
        }
    }
}

/// @notice A token that arrives and never leaves: sending it burns all gas.
contract BurningToken is Token {
    function transferFrom(address, address to, uint256 amount) public override returns (bool) {
        _mint(to, amount);
        return true;
    }

    function transfer(address, uint256) public pure override returns (bool) {
        assembly ("memory-safe") {
            invalid()
        }
    }
}
