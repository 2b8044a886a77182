//! What happened inside of a transaction: `debug_`, `trace_` and `ots_` methods.
//!
//! A transaction is traced by executing its block again, from the state before it, with an inspector of
//! `revm-inspectors` looking on ([`replay`]); the receipts that this gives must be the stored ones. Calls that are in no
//! block run as `eth_call` would run them ([`message`]). A [`guard::Guard`] bounds the time of a trace and what it
//! keeps in memory.

pub(super) mod filter;
pub(super) mod geth;
mod guard;
mod message;
mod options;
pub(super) mod otterscan;
pub(super) mod page;
pub(super) mod parity;
pub(super) mod raw;
mod replay;
mod root;
