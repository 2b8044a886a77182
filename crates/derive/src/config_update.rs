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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::SYSTEM;
    use alloc::{vec, vec::Vec};
    use alloy_primitives::{Address, Bytes, LogData, U256, keccak256};
    use alloy_sol_types::SolValue;

    fn log(kind: u8, data: Vec<u8>) -> Log {
        let topics = vec![CONFIG_UPDATE_TOPIC, B256::ZERO, B256::with_last_byte(kind)];
        Log {
            address: Address::ZERO,
            data: LogData::new_unchecked(topics, Bytes::from(data).abi_encode().into()),
        }
    }

    fn word(value: U256) -> Vec<u8> {
        value.to_be_bytes::<32>().to_vec()
    }

    fn scalars(version: u8) -> Vec<u8> {
        let mut scalar = [0u8; 32];
        scalar[0] = version;
        scalar[24..28].copy_from_slice(&810_949u32.to_be_bytes());
        scalar[28..].copy_from_slice(&1_368u32.to_be_bytes());
        (U256::ZERO, B256::from(scalar)).abi_encode()
    }

    #[test]
    fn the_topic_is_the_hash_of_the_event() {
        assert_eq!(CONFIG_UPDATE_TOPIC, keccak256("ConfigUpdate(uint256,uint8,bytes)"));
    }

    #[test]
    fn every_type_is_read_and_changes_its_own_fields() {
        let pair = |high: u64, shift: usize, low: u64| word(U256::from(high) << shift | U256::from(low));
        let cases = [
            (1, scalars(1), ConfigUpdate::FeeScalars { base_fee: 1_368, blob_base_fee: 810_949 }),
            (2, word(U256::from(30_000_000)), ConfigUpdate::GasLimit(30_000_000)),
            (4, pair(50, 32, 10), ConfigUpdate::Eip1559 { denominator: 50, elasticity: 10 }),
            (5, pair(11, 64, 12), ConfigUpdate::OperatorFee { scalar: 11, constant: 12 }),
            (6, word(U256::from(13)), ConfigUpdate::MinBaseFee(13)),
            (7, word(U256::from(14)), ConfigUpdate::DaFootprintGasScalar(14)),
        ];
        let mut system = SYSTEM;
        for (kind, data, expected) in cases {
            let update = parse_config_update(&log(kind, data)).unwrap();
            assert_eq!(update, expected);
            update.apply(&mut system);
        }
        let expected = SystemConfig {
            gas_limit: 30_000_000,
            base_fee_scalar: 1_368,
            blob_base_fee_scalar: 810_949,
            operator_fee_scalar: 11,
            operator_fee_constant: 12,
            da_footprint_gas_scalar: 14,
            eip1559_denominator: 50,
            eip1559_elasticity: 10,
            min_base_fee: 13,
        };
        assert_eq!(system, expected);
    }

    #[test]
    fn types_without_effect_are_ignored_whatever_they_hold() {
        for kind in [0, 3, 8, 255] {
            let update = parse_config_update(&log(kind, vec![1; 77])).unwrap();
            assert_eq!(update, ConfigUpdate::Ignored(kind));
            let mut system = SYSTEM;
            update.apply(&mut system);
            assert_eq!(system, SYSTEM);
        }
    }

    #[test]
    fn what_the_contract_never_emits_is_an_error() {
        let too_large = word(U256::from(1) << 64);
        let bad = [
            (1, scalars(0)),
            (1, word(U256::ZERO)),
            (2, too_large),
            (4, word(U256::from(10))),
            (4, word(U256::from(10) << 32)),
            (5, word(U256::from(1) << 96)),
            (6, vec![]),
            (7, word(U256::from(65_536))),
        ];
        for (kind, data) in bad {
            assert_eq!(parse_config_update(&log(kind, data)), Err(ConfigUpdateError::Data(kind)));
        }
        let mut unknown = log(2, word(U256::ZERO));
        unknown.data = LogData::new_unchecked(
            vec![CONFIG_UPDATE_TOPIC, B256::with_last_byte(1), B256::ZERO],
            Bytes::new(),
        );
        assert!(matches!(parse_config_update(&unknown), Err(ConfigUpdateError::Version(_))));
    }
}
