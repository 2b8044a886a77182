//! Logs: one line per event on standard error, for people or for machines.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use tracing_subscriber::{EnvFilter, Registry, filter::ParseError, fmt, reload, util::TryInitError};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

/// How a log event is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object per line, fields flattened.
    Json,
}

/// Flags of every process that logs.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetryArgs {
    /// What to log: `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,lockstep_batcher=debug`.
    #[arg(long = "log", env = "LOCKSTEP_LOG", default_value = "info", global = true)]
    pub filter: String,

    /// How to write logs.
    #[arg(long = "log-format", env = "LOCKSTEP_LOG_FORMAT", default_value = "text", global = true)]
    pub format: LogFormat,
}

impl Default for TelemetryArgs {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error(
        "the log filter {filter:?} is not understood; use a level or a list like info,lockstep_batcher=debug"
    )]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// Another part of this process was first.
    #[error("logging is already set up in this process")]
    AlreadySet(#[source] TryInitError),
    /// Nothing logs.
    #[error("logging is not set up in this process")]
    NotSet,
}

/// The filter of the process, as [`set_filter`] changes it.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Sends the events of the whole process to standard error. Call once, in `main`.
///
/// # Errors
/// [`TelemetryError::Filter`] for a filter that does not parse, [`TelemetryError::AlreadySet`] on a second call.
pub fn init(args: &TelemetryArgs) -> Result<(), TelemetryError> {
    let (layer, handle) = reload::Layer::new(filter(&args.filter)?);
    let registry = tracing_subscriber::registry().with(layer);
    match args.format {
        LogFormat::Text => {
            let colours = io::stderr().is_terminal();
            registry.with(fmt::layer().with_ansi(colours).with_writer(io::stderr)).try_init()
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init()
        }
    }
    .map_err(TelemetryError::AlreadySet)?;
    FILTER.get_or_init(|| handle);
    Ok(())
}

/// Changes what is logged.
///
/// # Errors
/// [`TelemetryError::Filter`] for a filter that does not parse, [`TelemetryError::NotSet`] before [`init`].
pub fn set_filter(text: &str) -> Result<(), TelemetryError> {
    let handle = FILTER.get().ok_or(TelemetryError::NotSet)?;
    handle.reload(filter(text)?).map_err(|_| TelemetryError::NotSet)
}

fn filter(text: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::builder()
        .parse(text)
        .map_err(|source| TelemetryError::Filter { filter: text.to_owned(), source })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn filter_is_changed_while_the_process_runs() {
        assert!(matches!(set_filter("debug"), Err(TelemetryError::NotSet)));
        init(&TelemetryArgs { filter: "warn".into(), ..TelemetryArgs::default() }).unwrap();
        assert!(!tracing::enabled!(tracing::Level::INFO));
        set_filter("debug").unwrap();
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        assert!(matches!(set_filter("info,=,="), Err(TelemetryError::Filter { .. })));
        assert!(tracing::enabled!(tracing::Level::DEBUG));
    }

    #[test]
    fn filter_names_the_text_that_it_refuses() {
        assert!(filter("info,lockstep_batcher=debug").is_ok());
        let error = filter("info,=,=").unwrap_err();
        assert!(error.to_string().contains("info,=,="), "{error}");
    }
}
