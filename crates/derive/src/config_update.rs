//! Updates of the rollup's parameters: `ConfigUpdate` logs of L1's `SystemConfig` (OP specification, Jovian).

use alloy_primitives::{B256, Log, b256};
use lockstep_primitives::SystemConfig;
use serde::{Deserialize, Serialize};

use crate::abi;

/// `keccak256("ConfigUpdate(uint256,uint8,bytes)")`.
pub const CONFIG_UPDATE_TOPIC: B256 =
    b256!("1d2b0bda21d56b8bd12d4f94ebacffdfb35f5e226f84b461103bb8beab6353be");

/// One change of [`SystemConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigUpdate {
    /// Type 1.
    FeeScalars {
        /// Scalar of the L1 base fee.
        base_fee: u32,
        /// Scalar of the L1 blob base fee.
        blob_base_fee: u32,
    },
    /// Type 2: gas limit of an L2 block.
    GasLimit(u64),
    /// Type 4.
    Eip1559 {
        /// Base fee change denominator, not zero.
        denominator: u32,
        /// Elasticity multiplier, not zero.
        elasticity: u32,
    },
    /// Type 5.
    OperatorFee {
        /// Scalar, 6 decimals.
        scalar: u32,
        /// Constant, wei.
        constant: u64,
    },
    /// Type 6: lowest L2 base fee, wei per gas.
    MinBaseFee(u64),
    /// Type 7: gas per byte of the data-availability footprint.
    DaFootprintGasScalar(u16),
    /// A type without effect on L2: 0 (batcher) and 3 (unsafe block signer), which Lockstep does not use,
    /// and every type above 7.
    Ignored(u8),
}

/// Why a log of `SystemConfig` is not an update. The contract never emits such a log: a person must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigUpdateError {
    /// Not the three topics of the event.
    #[error("not the topics of ConfigUpdate")]
    Topics,
    /// A version other than 0.
    #[error("unknown config update version {0}")]
    Version(B256),
    /// The update type does not fit 8 bits.
    #[error("config update type {0} does not fit 8 bits")]
    Type(B256),
    /// The data is not what the type asks for.
    #[error("data of config update type {0} is malformed")]
    Data(u8),
}

impl ConfigUpdate {
    /// Changes `system`.
    pub const fn apply(&self, system: &mut SystemConfig) {
        match *self {
            Self::FeeScalars { base_fee, blob_base_fee } => {
                system.base_fee_scalar = base_fee;
                system.blob_base_fee_scalar = blob_base_fee;
            }
            Self::GasLimit(gas_limit) => system.gas_limit = gas_limit,
            Self::Eip1559 { denominator, elasticity } => {
                system.eip1559_denominator = denominator;
                system.eip1559_elasticity = elasticity;
            }
            Self::OperatorFee { scalar, constant } => {
                system.operator_fee_scalar = scalar;
                system.operator_fee_constant = constant;
            }
            Self::MinBaseFee(fee) => system.min_base_fee = fee,
            Self::DaFootprintGasScalar(scalar) => system.da_footprint_gas_scalar = scalar,
            Self::Ignored(_) => {}
        }
    }
}

/// Reads one `ConfigUpdate(uint256 indexed version, uint8 indexed updateType, bytes data)` log.
///
/// # Errors
/// [`ConfigUpdateError`] if anything is not as the contract writes it. Unknown types are
/// [`ConfigUpdate::Ignored`], not errors.
pub fn parse_config_update(log: &Log) -> Result<ConfigUpdate, ConfigUpdateError> {
    let [topic, version, kind] = log.topics() else { return Err(ConfigUpdateError::Topics) };
    if *topic != CONFIG_UPDATE_TOPIC {
        return Err(ConfigUpdateError::Topics);
    }
    if !version.is_zero() {
        return Err(ConfigUpdateError::Version(*version));
    }
    let [padding @ .., number] = kind.0;
    if padding != [0; 31] {
        return Err(ConfigUpdateError::Type(*kind));
    }
    let data = abi::decode_bytes(&log.data.data).ok_or(ConfigUpdateError::Data(number))?;
    parse(number, data).ok_or(ConfigUpdateError::Data(number))
}

fn parse(kind: u8, data: &[u8]) -> Option<ConfigUpdate> {
    match kind {
        1 => fee_scalars(data),
        2 => single_u64(data).map(ConfigUpdate::GasLimit),
        4 => eip1559(data),
        5 => operator_fee(data),
        6 => single_u64(data).map(ConfigUpdate::MinBaseFee),
        7 => u16::try_from(single_u64(data)?).ok().map(ConfigUpdate::DaFootprintGasScalar),
        _ => Some(ConfigUpdate::Ignored(kind)),
    }
}

/// `overhead [u256, ignored] ++ 1 [u8] ++ 0 [23] ++ blob_base_fee_scalar [u32] ++ base_fee_scalar [u32]`.
fn fee_scalars(data: &[u8]) -> Option<ConfigUpdate> {
    let scalar: [u8; 32] = data.get(32..)?.try_into().ok()?;
    let ([1, zeros @ ..], scalars) = scalar.split_first_chunk::<24>()? else { return None };
    let (blob_base_fee, base_fee) = scalars.split_first_chunk()?;
    (*zeros == [0; 23]).then_some(ConfigUpdate::FeeScalars {
        base_fee: u32::from_be_bytes(base_fee.try_into().ok()?),
        blob_base_fee: u32::from_be_bytes(*blob_base_fee),
    })
}

/// `0 [24] ++ denominator [u32] ++ elasticity [u32]`, neither zero.
fn eip1559(data: &[u8]) -> Option<ConfigUpdate> {
    let packed = single_u64(data)?;
    let denominator = u32::try_from(packed >> 32).ok()?;
    let elasticity = u32::try_from(packed & u64::from(u32::MAX)).ok()?;
    (denominator != 0 && elasticity != 0).then_some(ConfigUpdate::Eip1559 { denominator, elasticity })
}

/// `0 [20] ++ scalar [u32] ++ constant [u64]`.
fn operator_fee(data: &[u8]) -> Option<ConfigUpdate> {
    let word: &[u8; 32] = data.try_into().ok()?;
    let (zeros, rest) = word.split_first_chunk::<20>()?;
    let (scalar, constant) = rest.split_first_chunk()?;
    (*zeros == [0; 20]).then_some(ConfigUpdate::OperatorFee {
        scalar: u32::from_be_bytes(*scalar),
        constant: u64::from_be_bytes(constant.try_into().ok()?),
    })
}

fn single_u64(data: &[u8]) -> Option<u64> {
    abi::word(data).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}
