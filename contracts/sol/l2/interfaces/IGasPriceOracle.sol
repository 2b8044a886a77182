// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title GasPriceOracle
/// @notice Answers what a transaction pays beside its L2 gas (OP specification, Fjord, Isthmus and Jovian).
interface IGasPriceOracle {
    /// @notice What the scalars no longer say since Ecotone.
    error GasPriceOracle_Deprecated();

    /// @notice The L1 data fee of a transaction.
    /// @param data The unsigned RLP-encoded transaction; 68 bytes are added for its signature.
    /// @return Wei.
    function getL1Fee(bytes memory data) external view returns (uint256);

    /// @notice A bound that nearly all transactions of this size stay below.
    /// @return Wei.
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256);

    /// @return L1 gas of a transaction as calldata, by the same estimate of its size.
    function getL1GasUsed(bytes memory data) external view returns (uint256);

    /// @return The operator fee of this much L2 gas, wei.
    function getOperatorFee(uint256 gasUsed) external view returns (uint256);

    /// @return L2 base fee.
    function gasPrice() external view returns (uint256);

    /// @return L2 base fee.
    function baseFee() external view returns (uint256);

    /// @notice Reverts: unused since Ecotone.
    function overhead() external view returns (uint256);

    /// @notice Reverts: unused since Ecotone.
    function scalar() external view returns (uint256);

    /// @return Base fee of the L1 origin.
    function l1BaseFee() external view returns (uint256);

    /// @return Blob base fee of the L1 origin.
    function blobBaseFee() external view returns (uint256);

    /// @return Scalar of the L1 base fee.
    function baseFeeScalar() external view returns (uint32);

    /// @return Scalar of the L1 blob base fee.
    function blobBaseFeeScalar() external view returns (uint32);

    /// @return Decimals of the scalars.
    function decimals() external pure returns (uint256);

    /// @return Decimals of the scalars.
    function DECIMALS() external view returns (uint256);

    /// @return True from genesis.
    function isEcotone() external pure returns (bool);

    /// @return True from genesis.
    function isFjord() external pure returns (bool);

    /// @return True from genesis.
    function isIsthmus() external pure returns (bool);

    /// @return True from genesis.
    function isJovian() external pure returns (bool);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
