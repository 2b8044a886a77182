// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

import {Assertions} from "../sol/l1/Assertions.sol";
import {Portal} from "../sol/l1/Portal.sol";
import {StandardBridge} from "../sol/l1/StandardBridge.sol";
import {SystemConfig} from "../sol/l1/SystemConfig.sol";
import {IAssertions} from "../sol/l1/interfaces/IAssertions.sol";
import {IInbox} from "../sol/l1/interfaces/IInbox.sol";
import {IPortal} from "../sol/l1/interfaces/IPortal.sol";
import {ISystemConfig} from "../sol/l1/interfaces/ISystemConfig.sol";
import {IStandardBridge} from "../sol/l1/interfaces/IStandardBridge.sol";
import {GasPriceOracle} from "../sol/l2/GasPriceOracle.sol";
import {L1Block} from "../sol/l2/L1Block.sol";
import {L2StandardBridge} from "../sol/l2/L2StandardBridge.sol";
import {L2ToL1MessagePasser} from "../sol/l2/L2ToL1MessagePasser.sol";
import {OptimismMintableERC20Factory} from "../sol/l2/OptimismMintableERC20Factory.sol";
import {Hashing} from "../sol/libraries/Hashing.sol";
import {Predeploys} from "../sol/libraries/Predeploys.sol";
import {Types} from "../sol/libraries/Types.sol";
import {Vm} from "./Vm.sol";

/// @notice All contracts as a deployment makes them, L1's and L2's in one EVM.
abstract contract Fixture {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_TEST = true;

    uint64 internal constant WINDOW = 100;
    uint128 internal constant BOND = 0.1 ether;
    uint64 internal constant GAS_LIMIT = 60_000_000;
    uint64 internal constant MAX_DEPOSIT_GAS = 20_000_000;
    bytes32 internal constant GENESIS_ROOT = keccak256("genesis");

    address internal constant OWNER = address(0xA11CE);
    address internal constant GUARDIAN = address(0x60a4d);
    address internal constant PROPOSER = address(0x9409);
    address internal constant BATCHER = address(0xBA7C);
    address internal constant ALICE = address(0xA1);
    address internal constant BOB = address(0xB0B);

    Assertions internal assertions;
    SystemConfig internal systemConfig;
    Portal internal portal;
    IInbox internal inbox;
    StandardBridge internal bridge;
    L2StandardBridge internal constant l2Bridge = L2StandardBridge(payable(Predeploys.L2_STANDARD_BRIDGE));
    L2ToL1MessagePasser internal constant passer =
        L2ToL1MessagePasser(payable(Predeploys.L2_TO_L1_MESSAGE_PASSER));
    L1Block internal constant l1Block = L1Block(Predeploys.L1_BLOCK);
    OptimismMintableERC20Factory internal constant factory =
        OptimismMintableERC20Factory(0x4200000000000000000000000000000000000012);
    GasPriceOracle internal constant oracle = GasPriceOracle(0x420000000000000000000000000000000000000F);

    function setUp() public virtual {
        vm.roll(1_000);
        vm.warp(1_000_000);
        assertions = Assertions(
            _proxy(
                address(new Assertions()),
                abi.encodeCall(IAssertions.initialize, (OWNER, GUARDIAN, PROPOSER, WINDOW, BOND))
            )
        );
        systemConfig = SystemConfig(
            _proxy(address(new SystemConfig()), abi.encodeCall(ISystemConfig.initialize, (_init())))
        );
        portal = Portal(
            payable(_proxy(
                    address(new Portal()),
                    abi.encodeCall(
                        IPortal.initialize, (OWNER, GUARDIAN, BATCHER, systemConfig, assertions, WINDOW)
                    )
                ))
        );
        inbox = portal.inbox();
        bridge = StandardBridge(
            payable(_proxy(
                    address(new StandardBridge()),
                    abi.encodeCall(IStandardBridge.initialize, (OWNER, portal, systemConfig))
                ))
        );
        vm.etch(address(l2Bridge), type(L2StandardBridge).runtimeCode);
        vm.store(address(l2Bridge), 0, bytes32(uint256(uint160(address(bridge)))));
        vm.etch(address(passer), type(L2ToL1MessagePasser).runtimeCode);
        vm.etch(address(l1Block), type(L1Block).runtimeCode);
        vm.etch(address(factory), type(OptimismMintableERC20Factory).runtimeCode);
        vm.etch(address(oracle), type(GasPriceOracle).runtimeCode);
        vm.prank(OWNER);
        assertions.start(GENESIS_ROOT);
        vm.deal(PROPOSER, 100 ether);
        vm.deal(ALICE, 100 ether);
    }

    function _init() internal pure returns (ISystemConfig.Init memory) {
        return ISystemConfig.Init({
            owner: OWNER,
            feeRecipient: OWNER,
            gasLimit: GAS_LIMIT,
            maxDepositGas: MAX_DEPOSIT_GAS,
            baseFeeScalar: 1368,
            blobBaseFeeScalar: 810949,
            operatorFeeScalar: 0,
            operatorFeeConstant: 0,
            daFootprintGasScalar: 400,
            eip1559Denominator: 250,
            eip1559Elasticity: 6,
            minBaseFee: 100_000
        });
    }

    function _proxy(address implementation, bytes memory data) internal returns (address) {
        return address(new ERC1967Proxy(implementation, data));
    }

    /// @dev Claims `outputRoot` above the newest standing claim.
    function _propose(bytes32 outputRoot) internal returns (uint256 index) {
        return _propose(outputRoot, assertions.latestBlockNumber() + 1);
    }

    function _propose(bytes32 outputRoot, uint256 l2BlockNumber) internal returns (uint256 index) {
        vm.setBlockhash(block.number - 1, keccak256("l1"));
        vm.prank(PROPOSER);
        return assertions.propose{value: BOND}(outputRoot, l2BlockNumber, keccak256("l1"), block.number - 1);
    }

    /// @dev A message passer whose storage holds one withdrawal: its trie is one leaf, `[0x20 ++ path, 0x01]`.
    function _proof(bytes32 hash)
        internal
        pure
        returns (Types.OutputRootProof memory output, bytes[] memory proof)
    {
        bytes32 path = keccak256(abi.encode(keccak256(abi.encode(hash, uint256(0)))));
        proof = new bytes[](1);
        proof[0] = abi.encodePacked(hex"e3a120", path, hex"01");
        output = Types.OutputRootProof({
            version: 0,
            stateRoot: keccak256("state"),
            messagePasserStorageRoot: keccak256(proof[0]),
            latestBlockhash: keccak256("block")
        });
    }

    /// @dev Claims an output with this withdrawal and proves it as ALICE.
    function _prove(Types.WithdrawalTransaction memory withdrawal) internal returns (uint256 index) {
        (Types.OutputRootProof memory output, bytes[] memory proof) =
            _proof(Hashing.withdrawalHash(withdrawal));
        index = _propose(Hashing.outputRoot(output));
        vm.prank(ALICE);
        portal.proveWithdrawalTransaction(withdrawal, index, output, proof);
    }

    function _proveAndFinalize(Types.WithdrawalTransaction memory withdrawal) internal {
        _prove(withdrawal);
        vm.warp(block.timestamp + WINDOW + 1);
        vm.prank(ALICE);
        portal.finalizeWithdrawalTransaction(withdrawal);
    }

    /// @dev The withdrawal that the last recorded `MessagePassed` announces.
    function _lastWithdrawal() internal returns (Types.WithdrawalTransaction memory w) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = logs.length; i > 0; --i) {
            Vm.Log memory log = logs[i - 1];
            if (log.emitter != address(passer)) continue;
            w.nonce = uint256(log.topics[1]);
            w.sender = address(uint160(uint256(log.topics[2])));
            w.target = address(uint160(uint256(log.topics[3])));
            (w.value, w.gasLimit, w.data,) = abi.decode(log.data, (uint256, uint256, bytes, bytes32));
            return w;
        }
        revert("no withdrawal was logged");
    }

    /// @dev Runs the last recorded deposit as L2 would; false if it fails there.
    function _runDeposit() internal returns (bool success) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = logs.length; i > 0; --i) {
            Vm.Log memory log = logs[i - 1];
            if (log.emitter != address(portal)) continue;
            return _run(
                address(uint160(uint256(log.topics[1]))),
                address(uint160(uint256(log.topics[2]))),
                abi.decode(log.data, (bytes))
            );
        }
        revert("no deposit was logged");
    }

    function _run(address from, address to, bytes memory opaque) private returns (bool success) {
        (uint256 mint, uint256 value, uint64 gasLimit, bytes memory data) = _split(opaque);
        vm.deal(from, from.balance + mint);
        vm.prank(from, from);
        (success,) = to.call{value: value, gas: gasLimit - 21_000 - 16 * data.length}(data);
    }

    function _split(bytes memory opaque)
        internal
        pure
        returns (uint256 mint, uint256 value, uint64 gasLimit, bytes memory data)
    {
        uint256 third;
        assembly {
            mint := mload(add(opaque, 32))
            value := mload(add(opaque, 64))
            third := mload(add(opaque, 96))
        }
        gasLimit = uint64(third >> 192);
        data = new bytes(opaque.length - 73);
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = opaque[73 + i];
        }
    }

    function assertEq(uint256 left, uint256 right) internal pure {
        if (left != right) revert AssertEq(bytes32(left), bytes32(right));
    }

    function assertEq(bytes32 left, bytes32 right) internal pure {
        if (left != right) revert AssertEq(left, right);
    }

    function assertEq(address left, address right) internal pure {
        if (left != right) {
            revert AssertEq(bytes32(uint256(uint160(left))), bytes32(uint256(uint160(right))));
        }
    }

    function assertEq(bytes memory left, bytes memory right) internal pure {
        if (keccak256(left) != keccak256(right)) revert AssertEqBytes(left, right);
    }

    function assertTrue(bool fact) internal pure {
        if (!fact) revert AssertTrue();
    }

    function assertFalse(bool fact) internal pure {
        if (fact) revert AssertTrue();
    }

    error AssertEq(bytes32 left, bytes32 right);
    error AssertEqBytes(bytes left, bytes right);
    error AssertTrue();
}

/// @notice A token on L1.
contract Token is ERC20 {
    constructor() ERC20("Token", "TKN") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice A token that refuses transfers to one account, and keeps a fee of `feePercent`.
contract MoodyToken is Token {
    address public refused;
    uint256 public feePercent;

    function refuse(address account) external {
        refused = account;
    }

    function setFee(uint256 percent) external {
        feePercent = percent;
    }

    function _update(address from, address to, uint256 amount) internal override {
        require(from == address(0) || to == address(0) || to != refused, "refused");
        if (from == address(0) || to == address(0)) return super._update(from, to, amount);
        uint256 fee = amount * feePercent / 100;
        if (fee != 0) super._update(from, address(0), fee);
        super._update(from, to, amount - fee);
    }
}

/// @notice A token that lets its owner run a call inside each transfer.
contract HookedToken is Token {
    address private _target;
    bytes private _call;

    function hook(address target, bytes calldata data) external {
        (_target, _call) = (target, data);
    }

    function _update(address from, address to, uint256 amount) internal override {
        address target = _target;
        _target = address(0);
        if (target != address(0)) {
            (bool success, bytes memory answer) = target.call(_call);
            if (!success) {
                assembly {
                    revert(add(answer, 32), mload(answer))
                }
            }
        }
        super._update(from, to, amount);
    }
}

/// @notice Refuses ether unless it is told otherwise, and can burn all gas while doing so.
contract Refuser {
    bool public accepts;
    bool public burnsGas;

    function set(bool accepts_, bool burnsGas_) external {
        accepts = accepts_;
        burnsGas = burnsGas_;
    }

    function call(address target, bytes calldata data) external payable {
        (bool success, bytes memory answer) = target.call{value: msg.value}(data);
        if (!success) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable {
        if (accepts) return;
        if (burnsGas) {
            assembly {
                invalid()
            }
        }
        revert("refused");
    }
}
