// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title FeeVault
/// @notice Collects one kind of fee and sends it to `StandardBridge.collectFees` on L1, whose `SystemConfig` names the
///         receiver. Stands at four addresses: sequencer, base, L1 and operator fee vault.
interface IFeeVault {
    /// @notice Fees left for L1.
    /// @param withdrawalNetwork OP's number for L1: 0.
    event Withdrawal(uint256 value, address to, address from, uint8 withdrawalNetwork);

    /// @notice Below `minWithdrawalAmount`, L1 gas would eat too much.
    error FeeVault_TooLittle(uint256 balance);

    /// @notice Sends all fees to L1. Anyone may call.
    /// @return value Wei sent.
    function withdraw() external returns (uint256 value);

    /// @return Wei sent so far.
    function totalProcessed() external view returns (uint256);

    /// @return Least balance that `withdraw` sends.
    function minWithdrawalAmount() external pure returns (uint256);

    /// @return L1's bridge, which takes the fees.
    function recipient() external view returns (address);

    /// @return Semantic version.
    function version() external pure returns (string memory);
}
