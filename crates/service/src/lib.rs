//! What every long-running Lockstep process needs around its work: a clean way to stop, logs, metrics,
//! health, and one HTTP server that carries JSON-RPC beside them.
//!
//! ```no_run
//! use lockstep_service::{HttpOptions, Readiness, TelemetryArgs, http, shutdown, telemetry};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! telemetry::init(&TelemetryArgs::default())?;
//! let shutdown = shutdown::on_signals()?;
//! let readiness = Readiness::new(["database"]);
//! let module = jsonrpsee::RpcModule::new(());
//! let server = http::serve(HttpOptions::new(([127, 0, 0, 1], 0).into()), module, readiness.clone(), shutdown).await?;
//! readiness.set_ready("database");
//! println!("listening on {}", server.local_addr());
//! server.stopped().await?;
//! # Ok(())
//! # }
//! ```

mod calls;
mod connection;
mod counters;
mod endpoint;
pub mod envelope;
mod fair;
mod health;
pub mod http;
mod limits;
pub mod metrics;
mod rpc;
mod session;
pub mod shutdown;
mod slow;
pub mod telemetry;
mod ws;

pub use health::Readiness;
pub use http::{HttpError, HttpOptions, Server};
pub use limits::{RpcAccess, RpcLimits};
pub use rpc::code;
pub use telemetry::{LogFormat, TelemetryArgs};
