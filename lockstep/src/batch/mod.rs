//! `lockstep batch`: what batches hold and what they cost. Nothing is changed.

mod inspect;
mod measure;

/// Flags of `lockstep batch`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    command: BatchCommand,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum BatchCommand {
    /// Encode raw transactions with our codec and those of peers, and compare bytes and speed.
    Measure(measure::MeasureArgs),
    /// Show a batch: its blocks and transactions, what they take, and what it cost.
    Inspect(inspect::InspectArgs),
}

/// Does what the command says.
///
/// # Errors
/// Those of the command.
pub(crate) async fn run(args: BatchArgs) -> eyre::Result<()> {
    match args.command {
        BatchCommand::Measure(args) => measure::run(args).await,
        BatchCommand::Inspect(args) => inspect::run(&args).await,
    }
}
