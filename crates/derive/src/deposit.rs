//! Deposits: the portal's `TransactionDeposited` logs (OP specification, "Deposits").

use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, b256};
use lockstep_primitives::TxDeposit;
use op_alloy_consensus::UserDepositSource;

use crate::abi;

/// `keccak256("TransactionDeposited(address,address,uint256,bytes)")`.
pub const TRANSACTION_DEPOSITED_TOPIC: B256 =
    b256!("b3813568d9991fc951961fcb4c784893574240a28925604d09fc577c55bb7c32");

/// Why a log of the portal is not a deposit. The portal never emits such a log: a person must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DepositError {
    /// Not the four topics of the event.
    #[error("not the topics of TransactionDeposited")]
    Topics,
    /// A topic that is no address.
    #[error("topic {0} is not an address")]
    Address(B256),
    /// A version other than 0.
    #[error("unknown deposit version {0}")]
    Version(B256),
    /// The data is not `abi.encode(bytes)`.
    #[error("event data is not the encoding of one byte string")]
    Data,
    /// `opaqueData` is not that of version 0.
    #[error("opaque data of {0} bytes is malformed")]
    OpaqueData(usize),
}

/// Reads one `TransactionDeposited` log; `log_index` is the log's index in its L1 block.
///
/// `opaqueData` version 0: `mint [u256] ++ value [u256] ++ gas_limit [u64] ++ is_creation [0 or 1] ++ data`,
/// big-endian; `mint` fits 128 bits.
///
/// # Errors
/// [`DepositError`] if anything is not as the portal writes it.
pub fn parse_deposit(log: &Log, l1_block_hash: B256, log_index: u64) -> Result<TxDeposit, DepositError> {
    let [topic, from, to, version] = log.topics() else { return Err(DepositError::Topics) };
    if *topic != TRANSACTION_DEPOSITED_TOPIC {
        return Err(DepositError::Topics);
    }
    if !version.is_zero() {
        return Err(DepositError::Version(*version));
    }
    let opaque = abi::decode_bytes(&log.data.data).ok_or(DepositError::Data)?;
    let call = Call::parse(opaque).ok_or(DepositError::OpaqueData(opaque.len()))?;
    let to = address(to)?;
    Ok(TxDeposit {
        source_hash: UserDepositSource::new(l1_block_hash, log_index).source_hash(),
        from: address(from)?,
        to: if call.is_creation { TxKind::Create } else { TxKind::Call(to) },
        mint: call.mint,
        value: call.value,
        gas_limit: call.gas_limit,
        is_system_transaction: false,
        input: call.data,
    })
}

/// `opaqueData` of version 0.
struct Call {
    mint: u128,
    value: U256,
    gas_limit: u64,
    is_creation: bool,
    data: Bytes,
}

impl Call {
    fn parse(opaque: &[u8]) -> Option<Self> {
        let (mint_high, rest) = opaque.split_first_chunk::<16>()?;
        let (mint, rest) = rest.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk::<32>()?;
        let (gas_limit, rest) = rest.split_first_chunk()?;
        let (is_creation, data) = rest.split_first()?;
        if *mint_high != [0; 16] || *is_creation > 1 {
            return None;
        }
        Some(Self {
            mint: u128::from_be_bytes(*mint),
            value: U256::from_be_bytes(*value),
            gas_limit: u64::from_be_bytes(*gas_limit),
            is_creation: *is_creation == 1,
            data: Bytes::copy_from_slice(data),
        })
    }
}

fn address(topic: &B256) -> Result<Address, DepositError> {
    let (high, low) = topic.split_at(12);
    if high.iter().any(|byte| *byte != 0) {
        return Err(DepositError::Address(*topic));
    }
    Ok(Address::from_slice(low))
}
