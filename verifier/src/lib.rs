//! The verifier: rebuilds the whole L2 chain from L1 alone, and objects where someone claims another.
//!
//! It reads L1, derives and executes every block, compares the hashes that channels claim and the output roots
//! that proposals claim with its own, and serves the safe and finalized heads. With a key it also proposes
//! output roots of its own chain. Its manifest is the proof that L1 is enough: it knows neither index,
//! sequencer nor batcher. An empty data folder is no loss, only time: everything comes back from L1.

mod audit;
mod config;
mod driver;
mod machine;
mod proposer;
mod record;
mod rpc;
mod start;
mod status;
mod store;

pub use config::{PROPOSER_KEY, ProposeFrom, ProposerConfig, VerifierConfig, VerifierHooks};
pub use machine::MachineError;
pub use record::{Claim, DerivedBlock, Mismatch};
pub use start::{rebuild, run};
pub use store::StoreError;
