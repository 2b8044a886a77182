//! `lockstep trace-block`: a block that is in the chain, executed again, as a picture or in words.
//!
//! Nothing is written but the picture. The block comes from Postgres, the state before it from the sequencer's store;
//! if a running sequencer holds that store, from a copy of its file.

mod chain;
mod replay;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use eyre::{WrapErr, eyre};
use lockstep_executor::Mode;
use lockstep_index::DatabaseUrl;
use lockstep_primitives::BlockNumber;

use chain::StoredChain;
use replay::{Replay, replay};

/// Flags of `lockstep trace-block`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct TraceBlockArgs {
    /// Number of the block.
    #[arg(value_name = "N")]
    number: u64,
    /// Draw the block as SVG into FILE, or into block-N.svg; without this flag it is described on standard output.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    svg: Option<Option<PathBuf>>,
    /// Threads; by default one for each core.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Which machinery executes the block: locks, optimistic or sequential.
    #[arg(long, value_name = "MODE", default_value_t = Mode::Locks)]
    mode: Mode,
    /// Executes the block with an executor that has not seen its contracts before.
    #[arg(long)]
    cold: bool,
    #[command(flatten)]
    place: Place,
}

/// Where the chain is: that of a sequencer, or that of `lockstep dev`.
#[derive(Clone, Debug, clap::Args)]
struct Place {
    /// Postgres of the chain; by default that of `lockstep dev`. May hold a password: prefer the variable to the flag.
    #[arg(long, env = "LOCKSTEP_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// The addresses file, if the chain is not that of `lockstep dev`.
    #[arg(long, env = "LOCKSTEP_ROLLUP_CONFIG", value_name = "PATH", requires = "database_url")]
    rollup_config: Option<PathBuf>,
    /// Folder of the sequencer's state store, if the chain is not that of `lockstep dev`.
    #[arg(
        long,
        env = "LOCKSTEP_SEQUENCER_DATA_DIR",
        value_name = "PATH",
        default_value = "lockstep-data/sequencer"
    )]
    data_dir: PathBuf,
    /// Folder of `lockstep dev`.
    #[arg(long, env = "LOCKSTEP_DEV_DATA_DIR", value_name = "PATH", default_value = ".lockstep")]
    dev_data_dir: PathBuf,
}

/// Executes the block again and draws or describes it.
///
/// # Errors
/// There is no such block, its state is not kept, or it does not execute to what the chain holds.
pub(crate) async fn run(args: TraceBlockArgs) -> eyre::Result<()> {
    let chain = StoredChain::open(&args.place).await?;
    let traced = trace(&chain, &args).await;
    chain.close().await?;
    let traced = traced?;
    let Some(file) = &args.svg else {
        print!("{}", traced.trace().text());
        return Ok(());
    };
    let file = file.clone().unwrap_or_else(|| format!("block-{}.svg", args.number).into());
    std::fs::write(&file, traced.trace().svg())
        .wrap_err_with(|| format!("cannot write {}", file.display()))?;
    println!("{} is in {}", traced.title, file.display());
    Ok(())
}

async fn trace(chain: &StoredChain, args: &TraceBlockArgs) -> eyre::Result<Replay> {
    if args.number == 0 {
        return Err(eyre!("block 0 is the genesis block: it has no transactions to execute"));
    }
    let input = chain.block(BlockNumber(args.number)).await?;
    let how = replay::How {
        threads: args.threads.map_or_else(replay::cores, usize::from),
        mode: args.mode,
        cold: args.cold,
    };
    tokio::task::spawn_blocking(move || replay(&input, how))
        .await
        .map_err(|_| eyre!("executing the block panicked"))?
}
