//! What a channel costs: our codec beside those of peers, on the same transactions, in the same run.
//!
//! A [`Load`] is transactions in blocks, read from text or made by a test. [`measure`] splits it into channels for
//! each codec, checks that every channel decodes to what was encoded, and times both ways.
//!
//! ```
//! use lockstep_measure::{Load, measure};
//!
//! // The example of EIP-155.
//! let transfer = "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080\
//!                 25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276\
//!                 a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83";
//! let text = format!("0x{transfer}\n\n");
//! let load = Load::read("example", text.as_bytes())?;
//! assert_eq!((load.transactions(), load.blocks()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The peers' formats are written here for measuring only: their bytes, not their nodes. That of OP span batches is
//! proven equal to the encoder of `kona-protocol` by the package in `kona/`, which stands outside of the workspace
//! because it brings an older alloy.

mod clock;
mod codec;
mod input;
mod load;
mod measurement;
pub mod ours;
mod packer;
mod peers;
mod plain;
mod span;
mod split;

pub use clock::Timing;
pub use codec::{Codec, Column, Unfit};
pub use input::InputError;
pub use load::{BLOCK_TIME, GENESIS_TIME, Load, LoadError};
pub use measurement::{MeasureError, Measurement, measure};
pub use peers::Peer;
pub use span::{SpanError, decode as decode_span, encode as encode_span};
