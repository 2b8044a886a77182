//! Addresses fixed by the OP specification ("Predeploys").

use alloy_primitives::{Address, address};

/// Sender of the L1 attributes transaction (OP specification, "L1 Attributes Depositor Account").
pub const L1_ATTRIBUTES_DEPOSITOR: Address = address!("DeaDDEaDDeAdDeAdDEAdDEaddeAddEAdDEAd0001");
/// `L2CrossDomainMessenger`.
pub const L2_CROSS_DOMAIN_MESSENGER: Address = address!("4200000000000000000000000000000000000007");
/// `GasPriceOracle`.
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");
/// `L2StandardBridge`.
pub const L2_STANDARD_BRIDGE: Address = address!("4200000000000000000000000000000000000010");
/// `SequencerFeeVault`: the fee recipient of every block.
pub const SEQUENCER_FEE_VAULT: Address = address!("4200000000000000000000000000000000000011");
/// `OptimismMintableERC20Factory`.
pub const MINTABLE_ERC20_FACTORY: Address = address!("4200000000000000000000000000000000000012");
/// `L1Block`.
pub const L1_BLOCK: Address = address!("4200000000000000000000000000000000000015");
/// `L2ToL1MessagePasser`.
pub const L2_TO_L1_MESSAGE_PASSER: Address = address!("4200000000000000000000000000000000000016");
/// `BaseFeeVault`.
pub const BASE_FEE_VAULT: Address = address!("4200000000000000000000000000000000000019");
/// `L1FeeVault`.
pub const L1_FEE_VAULT: Address = address!("420000000000000000000000000000000000001a");
/// `OperatorFeeVault`.
pub const OPERATOR_FEE_VAULT: Address = address!("420000000000000000000000000000000000001B");
