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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};
    use alloy_primitives::{LogData, address, keccak256};
    use alloy_sol_types::SolValue;

    const FROM: Address = address!("1111111111111111111111111111111111111111");
    const TO: Address = address!("2222222222222222222222222222222222222222");

    fn opaque(mint: U256, is_creation: u8) -> Vec<u8> {
        let value = U256::from(7).to_be_bytes::<32>();
        [&mint.to_be_bytes::<32>()[..], &value, &100_000u64.to_be_bytes(), &[is_creation], b"call"].concat()
    }

    fn log(opaque: Vec<u8>) -> Log {
        let topics = vec![TRANSACTION_DEPOSITED_TOPIC, FROM.into_word(), TO.into_word(), B256::ZERO];
        Log { address: TO, data: LogData::new_unchecked(topics, Bytes::from(opaque).abi_encode().into()) }
    }

    fn parse(log: &Log) -> Result<TxDeposit, DepositError> {
        parse_deposit(log, B256::repeat_byte(3), 9)
    }

    #[test]
    fn the_topic_is_the_hash_of_the_event() {
        let signature = "TransactionDeposited(address,address,uint256,bytes)";
        assert_eq!(TRANSACTION_DEPOSITED_TOPIC, keccak256(signature));
    }

    #[test]
    fn a_call_is_read_field_by_field() {
        let deposit = parse(&log(opaque(U256::from(5), 0))).unwrap();
        let source_hash = UserDepositSource::new(B256::repeat_byte(3), 9).source_hash();
        let expected = TxDeposit {
            source_hash,
            from: FROM,
            to: TxKind::Call(TO),
            mint: 5,
            value: U256::from(7),
            gas_limit: 100_000,
            is_system_transaction: false,
            input: Bytes::from_static(b"call"),
        };
        assert_eq!(deposit, expected);
    }

    #[test]
    fn a_creation_has_no_receiver() {
        assert_eq!(parse(&log(opaque(U256::ZERO, 1))).unwrap().to, TxKind::Create);
    }

    #[test]
    fn deposits_without_data_are_whole() {
        let mut short = opaque(U256::ZERO, 0);
        short.truncate(73);
        assert!(parse(&log(short.clone())).unwrap().input.is_empty());
        short.truncate(72);
        assert_eq!(parse(&log(short)), Err(DepositError::OpaqueData(72)));
    }

    #[test]
    fn what_the_portal_never_emits_is_an_error() {
        let good = log(opaque(U256::ZERO, 0));
        let with_topic = |index: usize, topic: B256| {
            let mut topics = good.topics().to_vec();
            topics[index] = topic;
            Log { address: TO, data: LogData::new_unchecked(topics, good.data.data.clone()) }
        };
        let strange = B256::repeat_byte(0xff);
        assert_eq!(parse(&with_topic(0, strange)), Err(DepositError::Topics));
        assert_eq!(parse(&with_topic(1, strange)), Err(DepositError::Address(strange)));
        assert_eq!(parse(&with_topic(2, strange)), Err(DepositError::Address(strange)));
        assert_eq!(parse(&with_topic(3, strange)), Err(DepositError::Version(strange)));
        assert!(parse(&log(opaque(U256::from(1) << 128, 0))).is_err());
        assert!(parse(&log(opaque(U256::ZERO, 2))).is_err());
        let mut cut = good.clone();
        cut.data.data = Bytes::copy_from_slice(&good.data.data[..100]);
        assert_eq!(parse(&cut), Err(DepositError::Data));
    }
}
