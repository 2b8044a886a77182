// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {ISystemConfig} from "./interfaces/ISystemConfig.sol";

/// @title SystemConfig
contract SystemConfig is ISystemConfig, Initializable, OwnableUpgradeable, UUPSUpgradeable {
    /// @dev Gas of the L1 attributes transaction, which shares each block with the deposits.
    uint64 private constant ATTRIBUTES_GAS = 1_000_000;
    uint64 private constant MAX_GAS_LIMIT = 500_000_000;
    /// @dev Keeps the gas target of every allowed gas limit above zero, by which clients divide.
    uint32 private constant MAX_ELASTICITY = 1_000;
    /// @dev 1,000 gwei: leaves the base fee room to rise within 64 bits.
    uint64 private constant MAX_MIN_BASE_FEE = 1e12;
    uint256 private constant EVENT_VERSION = 0;

    /// @inheritdoc ISystemConfig
    uint64 public gasLimit;
    /// @inheritdoc ISystemConfig
    uint64 public maxDepositGas;
    /// @inheritdoc ISystemConfig
    uint32 public basefeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public blobbasefeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public operatorFeeScalar;
    /// @inheritdoc ISystemConfig
    uint32 public eip1559Denominator;
    /// @inheritdoc ISystemConfig
    uint64 public operatorFeeConstant;
    /// @inheritdoc ISystemConfig
    uint64 public minBaseFee;
    /// @inheritdoc ISystemConfig
    uint32 public eip1559Elasticity;
    /// @inheritdoc ISystemConfig
    uint16 public daFootprintGasScalar;
    /// @inheritdoc ISystemConfig
    address public feeRecipient;

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc ISystemConfig
    function initialize(Init calldata init) external initializer {
        __Ownable_init(init.owner);
        maxDepositGas = init.maxDepositGas;
        _setFeeScalars(init.baseFeeScalar, init.blobBaseFeeScalar);
        _setGasLimit(init.gasLimit);
        _setEip1559(init.eip1559Denominator, init.eip1559Elasticity);
        _setOperatorFee(init.operatorFeeScalar, init.operatorFeeConstant);
        _setMinBaseFee(init.minBaseFee);
        _setFootprint(init.daFootprintGasScalar);
        _setFeeRecipient(init.feeRecipient);
    }

    /// @inheritdoc ISystemConfig
    function setGasConfigEcotone(uint32 baseFeeScalar_, uint32 blobBaseFeeScalar_) external onlyOwner {
        _setFeeScalars(baseFeeScalar_, blobBaseFeeScalar_);
    }

    /// @inheritdoc ISystemConfig
    function setGasLimit(uint64 gasLimit_) external onlyOwner {
        _setGasLimit(gasLimit_);
    }

    /// @inheritdoc ISystemConfig
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external onlyOwner {
        _setEip1559(denominator, elasticity);
    }

    /// @inheritdoc ISystemConfig
    function setOperatorFeeScalars(uint32 scalar_, uint64 constant_) external onlyOwner {
        _setOperatorFee(scalar_, constant_);
    }

    /// @inheritdoc ISystemConfig
    function setMinBaseFee(uint64 minBaseFee_) external onlyOwner {
        _setMinBaseFee(minBaseFee_);
    }

    /// @inheritdoc ISystemConfig
    function setDAFootprintGasScalar(uint16 scalar_) external onlyOwner {
        _setFootprint(scalar_);
    }

    /// @inheritdoc ISystemConfig
    function setFeeRecipient(address feeRecipient_) external onlyOwner {
        _setFeeRecipient(feeRecipient_);
    }

    /// @inheritdoc ISystemConfig
    function owner() public view override(ISystemConfig, OwnableUpgradeable) returns (address) {
        return super.owner();
    }

    /// @inheritdoc ISystemConfig
    function minimumGasLimit() public view returns (uint64) {
        return maxDepositGas + ATTRIBUTES_GAS;
    }

    /// @inheritdoc ISystemConfig
    function maximumGasLimit() external pure returns (uint64) {
        return MAX_GAS_LIMIT;
    }

    /// @inheritdoc ISystemConfig
    function scalar() public view returns (uint256) {
        return (1 << 248) | (uint256(blobbasefeeScalar) << 32) | basefeeScalar;
    }

    /// @inheritdoc ISystemConfig
    function version() external pure returns (string memory) {
        return "3.0.0";
    }

    function _setFeeScalars(uint32 baseFeeScalar_, uint32 blobBaseFeeScalar_) private {
        basefeeScalar = baseFeeScalar_;
        blobbasefeeScalar = blobBaseFeeScalar_;
        _emit(UpdateType.FEE_SCALARS, abi.encode(uint256(0), scalar()));
    }

    function _setGasLimit(uint64 gasLimit_) private {
        if (gasLimit_ < minimumGasLimit()) revert SystemConfig_GasLimitTooLow(minimumGasLimit());
        if (gasLimit_ > MAX_GAS_LIMIT) revert SystemConfig_GasLimitTooHigh(MAX_GAS_LIMIT);
        gasLimit = gasLimit_;
        _emit(UpdateType.GAS_LIMIT, abi.encode(gasLimit_));
    }

    function _setEip1559(uint32 denominator, uint32 elasticity) private {
        if (denominator == 0 || elasticity == 0) revert SystemConfig_ZeroEip1559Param();
        if (elasticity > MAX_ELASTICITY) revert SystemConfig_ElasticityTooHigh(MAX_ELASTICITY);
        eip1559Denominator = denominator;
        eip1559Elasticity = elasticity;
        _emit(UpdateType.EIP_1559_PARAMS, abi.encode((uint256(denominator) << 32) | elasticity));
    }

    function _setOperatorFee(uint32 scalar_, uint64 constant_) private {
        operatorFeeScalar = scalar_;
        operatorFeeConstant = constant_;
        _emit(UpdateType.OPERATOR_FEE_PARAMS, abi.encode((uint256(scalar_) << 64) | constant_));
    }

    function _setMinBaseFee(uint64 minBaseFee_) private {
        if (minBaseFee_ > MAX_MIN_BASE_FEE) revert SystemConfig_MinBaseFeeTooHigh(MAX_MIN_BASE_FEE);
        minBaseFee = minBaseFee_;
        _emit(UpdateType.MIN_BASE_FEE, abi.encode(minBaseFee_));
    }

    function _setFootprint(uint16 scalar_) private {
        daFootprintGasScalar = scalar_;
        _emit(UpdateType.DA_FOOTPRINT_GAS_SCALAR, abi.encode(scalar_));
    }

    function _setFeeRecipient(address feeRecipient_) private {
        if (feeRecipient_ == address(0)) revert SystemConfig_ZeroFeeRecipient();
        feeRecipient = feeRecipient_;
        emit FeeRecipientSet(feeRecipient_);
    }

    function _emit(UpdateType updateType, bytes memory data) private {
        emit ConfigUpdate(EVENT_VERSION, updateType, data);
    }

    function _authorizeUpgrade(address) internal override onlyOwner {}
}
