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

mod health;
pub mod http;
pub mod metrics;
mod rpc;
pub mod shutdown;
pub mod telemetry;

pub use health::Readiness;
pub use http::{HttpError, HttpOptions, RpcLimits, Server};
pub use rpc::code;
pub use telemetry::{LogFormat, TelemetryArgs};
