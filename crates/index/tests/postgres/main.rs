//! The index against a real Postgres: each test has a database of its own.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod accounts;
mod chain;
mod journal;
mod logs;
mod support;
