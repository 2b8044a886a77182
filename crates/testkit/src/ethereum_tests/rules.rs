//! Where OP rules are not Ethereum's, and how a test shows that it needs the difference.

use std::fmt;

use alloy_consensus::Header;
use alloy_eips::{eip7685::EMPTY_REQUESTS_HASH, eip7840::BlobParams};
use alloy_primitives::{Address, address};
use lockstep_stf::OpSpecId;

use super::world::World;

/// RIP-7212 and EIP-7951.
const P256VERIFY: Address = address!("0000000000000000000000000000000000000100");

/// A rule of the OP Stack that leaves tests out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum OpRule {
    NoBlobTransactions,
    BlobBaseFeeIsOne,
    NoRequests,
    P256Precompile,
    GasLimitAndExtraDataAreInputs,
}

impl fmt::Display for OpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBlobTransactions => {
                "type 3 transactions do not exist (Ecotone, \"Disable Blob-transactions\")"
            }
            Self::BlobBaseFeeIsOne => {
                "excess blob gas is always 0, BLOBBASEFEE always 1 (Ecotone, \"BLOBBASEFEE\")"
            }
            Self::NoRequests => {
                "no execution layer requests, requestsHash is that of the empty list (Isthmus)"
            }
            Self::P256Precompile => {
                "P256VERIFY stands at 0x100 before Osaka, and the test goes there (Fjord)"
            }
            Self::GasLimitAndExtraDataAreInputs => {
                "gas limit and extraData come from the SystemConfig, their bounds do not exist (derivation)"
            }
        })
    }
}

/// The OP fork that contains an Ethereum fork.
pub(super) fn op_spec(fork: &str) -> Result<OpSpecId, String> {
    match fork {
        "Cancun" => Ok(OpSpecId::ECOTONE),
        "Prague" => Ok(OpSpecId::ISTHMUS),
        "Osaka" => Ok(OpSpecId::KARST),
        other => Err(format!("fork {other} has no OP counterpart")),
    }
}

/// Ethereum's blob schedule of a fork: header fields that OP fixes at zero follow it.
pub(super) fn blob_params(spec: OpSpecId) -> BlobParams {
    match spec {
        OpSpecId::ECOTONE => BlobParams::cancun(),
        OpSpecId::ISTHMUS => BlobParams::prague(),
        _ => BlobParams::osaka(),
    }
}

/// The rule that a valid header breaks.
pub(super) fn header_rule(spec: OpSpecId, header: &Header) -> Option<OpRule> {
    if header.requests_hash.is_some_and(|hash| hash != EMPTY_REQUESTS_HASH) {
        return Some(OpRule::NoRequests);
    }
    blob_fee_rule(spec, header.excess_blob_gas.unwrap_or_default())
}

/// The rule that an excess of blob gas breaks.
pub(super) fn blob_fee_rule(spec: OpSpecId, excess_blob_gas: u64) -> Option<OpRule> {
    (blob_params(spec).calc_blob_fee(excess_blob_gas) != 1).then_some(OpRule::BlobBaseFeeIsOne)
}

/// The rule that execution met on its way.
pub(super) fn execution_rule(spec: OpSpecId, world: &World) -> Option<OpRule> {
    let early = spec.is_enabled_in(OpSpecId::FJORD) && !spec.is_enabled_in(OpSpecId::KARST);
    (early && world.has_read(P256VERIFY)).then_some(OpRule::P256Precompile)
}

/// The rule without which a block is not invalid; `expected` is the exception that the test names.
pub(super) fn exception_rule(expected: &str) -> Option<OpRule> {
    const REQUESTS: [&str; 3] = [
        "BlockException.INVALID_REQUESTS",
        "BlockException.SYSTEM_CONTRACT_CALL_FAILED",
        "BlockException.INVALID_DEPOSIT_EVENT_LAYOUT",
    ];
    const INPUTS: [&str; 3] = [
        "BlockException.INVALID_GASLIMIT",
        "BlockException.GASLIMIT_TOO_BIG",
        "BlockException.EXTRA_DATA_TOO_BIG",
    ];
    if REQUESTS.contains(&expected) {
        Some(OpRule::NoRequests)
    } else if INPUTS.contains(&expected) {
        Some(OpRule::GasLimitAndExtraDataAreInputs)
    } else {
        None
    }
}
