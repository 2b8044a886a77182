//! `lockstep`: one binary for every role. Wiring only; the rules are in the libraries.

mod batch;
mod config_table;
mod dev;
mod env_examples;
mod load;
mod trace_block;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource};
use lockstep_service::{TelemetryArgs, shutdown, telemetry};

/// It keeps what is freed for what comes next: under load that saves page faults, and with them CPU time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An optimistic rollup: sequencer, batcher and verifier over an L1 and Postgres.
#[derive(Debug, Parser)]
#[command(name = "lockstep", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(subcommand)]
    command: Command,
}

#[allow(clippy::large_enum_variant, reason = "there is one in a process")]
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole rollup on this machine: L1, Postgres, contracts and every role.
    Dev(dev::DevArgs),
    /// Deploy the L1 contracts of a chain and write its addresses file.
    Deploy(lockstep_deploy::DeployConfig),
    /// Order, execute and seal L2 blocks; serve the L2 JSON-RPC.
    Sequencer(lockstep_sequencer::SequencerConfig),
    /// Post sealed blocks to L1.
    Batcher(lockstep_batcher::BatcherConfig),
    /// Rebuild the chain from L1, compare, serve the safe head; propose outputs if it has a proposer's key.
    Verifier(lockstep_verifier::VerifierConfig),
    /// Execute a block of the chain again and draw or describe how: workers, waits, conflicts, hottest keys.
    TraceBlock(trace_block::TraceBlockArgs),
    /// Compare codecs on raw transactions, or look into a batch.
    Batch(batch::BatchArgs),
    /// Send transactions to JSON-RPC servers, this or another, and report rates, latencies and CPU time.
    Load(load::LoadArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("error: {}", one_line(&report));
            ExitCode::FAILURE
        }
    }
}

/// The command line. What talks to a person logs only warnings unless asked for more.
fn parse() -> Cli {
    let matches = Cli::command().get_matches();
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let unasked = matches.value_source("filter") == Some(ValueSource::DefaultValue);
    if unasked
        && matches!(
            cli.command,
            Command::Dev(_) | Command::TraceBlock(_) | Command::Batch(_) | Command::Load(_)
        )
    {
        "warn".clone_into(&mut cli.telemetry.filter);
    }
    cli
}

async fn run(cli: Cli) -> eyre::Result<()> {
    telemetry::init(&cli.telemetry)?;
    let shutdown = shutdown::on_signals()?;
    match cli.command {
        Command::Dev(args) => dev::run(args, shutdown).await,
        Command::Deploy(args) => lockstep_deploy::run(args, shutdown).await.map(drop),
        Command::Sequencer(config) => lockstep_sequencer::run(config, Default::default(), shutdown).await,
        Command::Batcher(config) => lockstep_batcher::run(config, Default::default(), shutdown).await,
        Command::Verifier(config) => lockstep_verifier::run(config, Default::default(), shutdown).await,
        Command::TraceBlock(args) => trace_block::run(args).await,
        Command::Batch(args) => batch::run(args).await,
        Command::Load(args) => load::run(args, shutdown).await,
    }
}

/// The whole chain of causes, outermost first.
fn one_line(report: &eyre::Report) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in report.chain().map(ToString::to_string) {
        // Many libraries repeat their cause in their own text.
        if !causes.iter().any(|said| said.contains(&cause)) {
            causes.push(cause);
        }
    }
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_names_each_cause_once() {
        let report = eyre::eyre!("refused").wrap_err("cannot post: refused").wrap_err("batcher stopped");
        assert_eq!(one_line(&report), "batcher stopped: cannot post: refused");
    }
}
