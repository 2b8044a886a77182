// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title L1Block
/// @notice What L2 knows about L1, set by each block's first transaction (OP specification, "L1 Attributes").
interface IL1Block {
    /// @notice Only the L1 attributes transaction writes.
    error NotDepositor();

    /// @notice Sets all values. Arguments are packed behind the selector: `baseFeeScalar [u32] ++ blobBaseFeeScalar [u32]
    ///         ++ sequenceNumber [u64] ++ timestamp [u64] ++ number [u64] ++ basefee [u256] ++ blobBaseFee [u256] ++
    ///         hash [32] ++ batcherHash [32] ++ operatorFeeScalar [u32] ++ operatorFeeConstant [u64] ++
    ///         daFootprintGasScalar [u16]`.
    function setL1BlockValuesJovian() external;

    /// @return Sender of the L1 attributes transaction.
    function DEPOSITOR_ACCOUNT() external pure returns (address);

    /// @return Number of the L1 origin.
    function number() external view returns (uint64);

    /// @return Its timestamp.
    function timestamp() external view returns (uint64);

    /// @return Its base fee.
    function basefee() external view returns (uint256);

    /// @return Its hash.
    function hash() external view returns (bytes32);

    /// @return L2 blocks since the first one with this origin.
    function sequenceNumber() external view returns (uint64);

    /// @return Scalar of the L1 blob base fee.
    function blobBaseFeeScalar() external view returns (uint32);

    /// @return Scalar of the L1 base fee.
    function baseFeeScalar() external view returns (uint32);

    /// @return The batcher, where the chain says so.
    function batcherHash() external view returns (bytes32);

    /// @return Unused since Ecotone.
    function l1FeeOverhead() external view returns (uint256);

    /// @return Unused since Ecotone.
    function l1FeeScalar() external view returns (uint256);

    /// @return Blob base fee of the L1 origin.
    function blobBaseFee() external view returns (uint256);

    /// @return Constant of the operator fee.
    function operatorFeeConstant() external view returns (uint64);

    /// @return Scalar of the operator fee.
    function operatorFeeScalar() external view returns (uint32);

    /// @return Scalar of the data-availability footprint.
    function daFootprintGasScalar() external view returns (uint16);

    /// @return Name of the token that pays for gas.
    function gasPayingTokenName() external pure returns (string memory);

    /// @return Symbol of the token that pays for gas.
    function gasPayingTokenSymbol() external pure returns (string memory);

    /// @return Whether that token is another one than ether.
    function isCustomGasToken() external pure returns (bool);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
