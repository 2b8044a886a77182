//! OP's span batch (OP specification, Delta, "Span Batches"; type 4 since Isthmus), to measure with.
//!
//! ```text
//! batch    1 ++ prefix ++ payload
//! prefix   rel_timestamp ++ l1_origin_num ++ parent_check [20] ++ l1_origin_check [20]
//! payload  block_count ++ origin_bits ++ block_tx_counts ++ txs
//! txs      contract_creation_bits ++ y_parity_bits ++ tx_sigs ++ tx_tos ++ tx_datas ++ tx_nonces ++ tx_gases
//!          ++ protected_bits
//! ```
//!
//! Integers are LEB128; bits are one big-endian number, the first in its lowest bit. The bit of the first block says
//! whether its parent has another origin, which a channel does not tell: it is always set here.

mod bits;
mod data;
mod decode;
mod encode;

pub use decode::decode;
pub use encode::encode;

/// `BatchType` of a span batch.
const SPAN_BATCH: u8 = 1;
/// Bytes of a hash that a span batch repeats.
const CHECK_BYTES: usize = 20;

/// Why blocks and span batches do not convert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// A span has at least one block.
    #[error("no block")]
    Empty,
    /// A transaction is not one that span batches hold.
    #[error("transaction {0} of the span is not of type 0, 1, 2 or 4")]
    Transaction(usize),
    /// The bytes are no span batch.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}
