// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title SystemConfig
/// @notice Governs L2's fee rules and gas limit. A change applies from the L2 block that adopts its L1 block.
/// @dev Trust: the owner can make L2 expensive, but cannot stop deposits: the gas limit always has room for them.
interface ISystemConfig {
    /// @notice Values at start; names and units as in the setters.
    struct Init {
        address owner;
        address feeRecipient;
        uint64 gasLimit;
        uint64 maxDepositGas;
        uint32 baseFeeScalar;
        uint32 blobBaseFeeScalar;
        uint32 operatorFeeScalar;
        uint64 operatorFeeConstant;
        uint16 daFootprintGasScalar;
        uint32 eip1559Denominator;
        uint32 eip1559Elasticity;
        uint64 minBaseFee;
    }

    /// @notice OP's update types; those that Lockstep does not emit keep their numbers free.
    enum UpdateType {
        BATCHER,
        FEE_SCALARS,
        GAS_LIMIT,
        UNSAFE_BLOCK_SIGNER,
        EIP_1559_PARAMS,
        OPERATOR_FEE_PARAMS,
        MIN_BASE_FEE,
        DA_FOOTPRINT_GAS_SCALAR
    }

    /// @notice A value changed (OP specification, "System Config").
    /// @param version 0.
    /// @param updateType Which value.
    /// @param data One ABI word, two for FEE_SCALARS: `(0, 1 << 248 | blobBaseFeeScalar << 32 | baseFeeScalar)`;
    ///        GAS_LIMIT: gas; EIP_1559_PARAMS: `denominator << 32 | elasticity`; OPERATOR_FEE_PARAMS:
    ///        `scalar << 64 | constant`; MIN_BASE_FEE: wei; DA_FOOTPRINT_GAS_SCALAR: the scalar.
    event ConfigUpdate(uint256 indexed version, UpdateType indexed updateType, bytes data);

    /// @notice Fees that L2's vaults send to L1 go to another account from now on.
    event FeeRecipientSet(address indexed feeRecipient);

    /// @notice Deposits and the L1 attributes transaction must always fit.
    error SystemConfig_GasLimitTooLow(uint64 minimum);
    /// @notice Above what an L2 block may be.
    error SystemConfig_GasLimitTooHigh(uint64 maximum);
    /// @notice Neither denominator nor elasticity may be zero.
    error SystemConfig_ZeroEip1559Param();
    /// @notice Above what leaves each block a gas target.
    error SystemConfig_ElasticityTooHigh(uint32 maximum);
    /// @notice Above what leaves the base fee room to rise.
    error SystemConfig_MinBaseFeeTooHigh(uint64 maximum);
    /// @notice Fees must go somewhere.
    error SystemConfig_ZeroFeeRecipient();

    /// @notice Sets all values; called once, by the proxy's constructor.
    function initialize(Init calldata init) external;

    /// @notice Sets the scalars of the L1 data fee, 6 decimals each.
    function setGasConfigEcotone(uint32 baseFeeScalar, uint32 blobBaseFeeScalar) external;

    /// @notice Sets the gas limit of an L2 block.
    function setGasLimit(uint64 gasLimit) external;

    /// @notice Sets how the L2 base fee moves.
    function setEIP1559Params(uint32 denominator, uint32 elasticity) external;

    /// @notice Sets the operator fee: `gasUsed * scalar * 100 + constant` wei (Jovian).
    function setOperatorFeeScalars(uint32 operatorFeeScalar, uint64 operatorFeeConstant) external;

    /// @notice Sets the lowest L2 base fee, wei per gas.
    function setMinBaseFee(uint64 minBaseFee) external;

    /// @notice Sets the gas that a byte of estimated data takes of a block's data-availability footprint.
    function setDAFootprintGasScalar(uint16 daFootprintGasScalar) external;

    /// @notice Sets the account on L1 that fees of L2 belong to.
    function setFeeRecipient(address feeRecipient) external;

    /// @return The account that may call the setters.
    function owner() external view returns (address);

    /// @return The account on L1 that fees of L2 belong to.
    function feeRecipient() external view returns (address);

    /// @return Gas limit of an L2 block.
    function gasLimit() external view returns (uint64);

    /// @return Most gas that deposits of one L1 block may ask for. Fixed, so that past deposits always fit.
    function maxDepositGas() external view returns (uint64);

    /// @return Lowest gas limit that may be set.
    function minimumGasLimit() external view returns (uint64);

    /// @return Highest gas limit that may be set.
    function maximumGasLimit() external pure returns (uint64);

    /// @return Both fee scalars in OP's encoding.
    function scalar() external view returns (uint256);

    /// @return Scalar of the L1 base fee.
    function basefeeScalar() external view returns (uint32);

    /// @return Scalar of the L1 blob base fee.
    function blobbasefeeScalar() external view returns (uint32);

    /// @return Scalar of the operator fee.
    function operatorFeeScalar() external view returns (uint32);

    /// @return Constant of the operator fee, wei.
    function operatorFeeConstant() external view returns (uint64);

    /// @return Scalar of the data-availability footprint.
    function daFootprintGasScalar() external view returns (uint16);

    /// @return EIP-1559 denominator.
    function eip1559Denominator() external view returns (uint32);

    /// @return EIP-1559 elasticity.
    function eip1559Elasticity() external view returns (uint32);

    /// @return Lowest L2 base fee.
    function minBaseFee() external view returns (uint64);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
