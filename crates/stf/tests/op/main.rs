//! Blocks under OP rules: what is included, what is dropped, what the header says.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod access_list;
mod deposits;
mod fees;
mod header;
mod limits;
mod random;
mod types;
mod users;
