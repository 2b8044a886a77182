// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LibZip} from "solady/utils/LibZip.sol";

import {Predeploys} from "../libraries/Predeploys.sol";
import {IGasPriceOracle} from "./interfaces/IGasPriceOracle.sol";
import {IL1Block} from "./interfaces/IL1Block.sol";

/// @title GasPriceOracle
contract GasPriceOracle is IGasPriceOracle {
    /// @inheritdoc IGasPriceOracle
    uint256 public constant DECIMALS = 6;

    /// @dev Fjord's regression from FastLZ size to compressed size, 6 decimals.
    int256 private constant COST_INTERCEPT = -42_585_600;
    uint256 private constant COST_FASTLZ_COEFFICIENT = 836_500;
    uint256 private constant MIN_SIZE = 100e6;
    uint256 private constant SIGNATURE_BYTES = 68;
    uint256 private constant CALLDATA_BYTE_GAS = 16;
    uint256 private constant OPERATOR_FEE_MULTIPLIER = 100;

    IL1Block private constant L1_BLOCK = IL1Block(Predeploys.L1_BLOCK);

    /// @inheritdoc IGasPriceOracle
    function getL1Fee(bytes memory data) external view returns (uint256) {
        return _l1Cost(LibZip.flzCompress(data).length + SIGNATURE_BYTES);
    }

    /// @inheritdoc IGasPriceOracle
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256) {
        uint256 size = unsignedTxSize + SIGNATURE_BYTES;
        return _l1Cost(size + size / 255 + 16); // the most that FastLZ makes of it in practice
    }

    /// @inheritdoc IGasPriceOracle
    function getL1GasUsed(bytes memory data) external pure returns (uint256) {
        return _compressedSize(LibZip.flzCompress(data).length + SIGNATURE_BYTES) * CALLDATA_BYTE_GAS / 1e6;
    }

    /// @inheritdoc IGasPriceOracle
    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        return
            gasUsed * L1_BLOCK.operatorFeeScalar() * OPERATOR_FEE_MULTIPLIER + L1_BLOCK.operatorFeeConstant();
    }

    /// @inheritdoc IGasPriceOracle
    function gasPrice() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function baseFee() external view returns (uint256) {
        return block.basefee;
    }

    /// @inheritdoc IGasPriceOracle
    function overhead() external pure returns (uint256) {
        revert GasPriceOracle_Deprecated();
    }

    /// @inheritdoc IGasPriceOracle
    function scalar() external pure returns (uint256) {
        revert GasPriceOracle_Deprecated();
    }

    /// @inheritdoc IGasPriceOracle
    function l1BaseFee() public view returns (uint256) {
        return L1_BLOCK.basefee();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFee() public view returns (uint256) {
        return L1_BLOCK.blobBaseFee();
    }

    /// @inheritdoc IGasPriceOracle
    function baseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.baseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function blobBaseFeeScalar() public view returns (uint32) {
        return L1_BLOCK.blobBaseFeeScalar();
    }

    /// @inheritdoc IGasPriceOracle
    function decimals() external pure returns (uint256) {
        return DECIMALS;
    }

    /// @inheritdoc IGasPriceOracle
    function isEcotone() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isFjord() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isIsthmus() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function isJovian() external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IGasPriceOracle
    function version() external pure returns (string memory) {
        return "1.6.0";
    }

    function _l1Cost(uint256 fastLzSize) private view returns (uint256) {
        uint256 feeScaled = uint256(baseFeeScalar()) * CALLDATA_BYTE_GAS * l1BaseFee()
            + uint256(blobBaseFeeScalar()) * blobBaseFee();
        return _compressedSize(fastLzSize) * feeScaled / 1e12;
    }

    /// @return size Bytes with 6 decimals.
    function _compressedSize(uint256 fastLzSize) private pure returns (uint256 size) {
        int256 estimated = COST_INTERCEPT + int256(COST_FASTLZ_COEFFICIENT * fastLzSize);
        return estimated < int256(MIN_SIZE) ? MIN_SIZE : uint256(estimated);
    }
}
