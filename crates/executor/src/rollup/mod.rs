//! Blocks of an OP Stack chain: those that [`lockstep_stf`] defines, executed by an [`Executor`](crate::Executor).
//!
//! [`execute`] gives the [`Executed`](lockstep_stf::Executed) that `lockstep_stf::execute_with` gives: the same
//! receipts, header fields and dropped transactions, and a bundle with the same [`Changes`](crate::Changes).
//! [`Builder`] is the same thing batch by batch, for a sequencer that learns its transactions as it goes.
//!
//! What precedes the users' transactions, the [`Prelude`], is executed by `stf` itself: system calls, L1 attributes
//! and deposits are few, their rules are many, and all others see what they did.
//!
//! ```text
//! let prelude = Prelude::new(&view, &rules, &parent, &inputs)?;
//! let mut builder = prelude.builder(&executor);
//! while let Some(batch) = next_batch(builder.gas_left()) {
//!     let included_or_why_not = builder.push_all(batch)?;
//! }
//! let Done { executed, stats, .. } = builder.finish()?;
//! ```

mod builder;
mod execute;
mod prelude;
mod receipt;
mod spread;

pub use builder::{Builder, Done};
pub use execute::execute;
pub use prelude::Prelude;
