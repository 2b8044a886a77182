//! `lockstep batch inspect`: what is in a batch, and what it cost.

mod source;
mod text;
mod view;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, str::FromStr};

use alloy::primitives::B256;
use eyre::WrapErr;
use lockstep_index::DatabaseUrl;
use lockstep_primitives::BlockNumber;

use view::View;

/// Flags of `lockstep batch inspect`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Which batch: a file with the bytes of a channel, raw or in hex; the hash of an L1 transaction; or, from Postgres,
    /// submission:ID (the batcher's journal, also ID alone), batch:INDEX (the inbox) or block:NUMBER (any block in it).
    #[arg(value_name = "FILE|TX|CHANNEL")]
    batch: Target,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// List the transactions of each block too.
    #[arg(long)]
    transactions: bool,
    #[command(flatten)]
    place: Place,
}

/// Where batches are looked up.
#[derive(Clone, Debug, Default, clap::Args)]
struct Place {
    /// Postgres of the chain: what a channel refers to, and the journal. May hold a password: prefer the variable to
    /// the flag.
    #[arg(long, env = "LOCKSTEP_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// JSON-RPC of an L1 node: for a transaction, for what the batcher no longer keeps, and for what a batch cost.
    #[arg(long, env = "LOCKSTEP_L1_RPC", value_name = "URL", hide_env_values = true)]
    l1_rpc: Option<String>,
    /// Beacon API of an L1 node, for blobs; none where the L1 node is anvil.
    #[arg(long, env = "LOCKSTEP_L1_BEACON", value_name = "URL", hide_env_values = true)]
    l1_beacon: Option<String>,
    /// The addresses file that `lockstep deploy` wrote; needed with an L1 node.
    #[arg(long, env = "LOCKSTEP_ROLLUP_CONFIG", value_name = "PATH")]
    rollup_config: Option<PathBuf>,
}

/// What names a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// A file with a channel.
    File(PathBuf),
    /// The L1 transaction that posted it.
    Transaction(B256),
    /// Its number in the batcher's journal.
    Submission(i64),
    /// Its number in the inbox.
    Batch(u64),
    /// A block in it.
    Block(BlockNumber),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let not_a_number = |what: &str| format!("{text}: {what} is not a number");
        if let Ok(id) = text.parse() {
            return Ok(Self::Submission(id));
        }
        if let Some(digits) = text.strip_prefix("0x").filter(|digits| digits.len() == 64) {
            let hash = digits.parse().map(Self::Transaction);
            return hash.map_err(|_| format!("{text} is not the hash of a transaction"));
        }
        match text.split_once(':') {
            Some(("submission", id)) => id.parse().map(Self::Submission).map_err(|_| not_a_number(id)),
            Some(("batch", index)) => index.parse().map(Self::Batch).map_err(|_| not_a_number(index)),
            Some(("block", number)) => number
                .parse()
                .map(|number| Self::Block(BlockNumber(number)))
                .map_err(|_| not_a_number(number)),
            _ => Ok(Self::File(text.into())),
        }
    }
}

/// Finds the batch and prints it.
///
/// # Errors
/// It is not found, cannot be read, or is no channel.
pub(super) async fn run(args: &InspectArgs) -> eyre::Result<()> {
    let found = source::find(&args.batch, &args.place).await?;
    let view = View::new(found)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&view).wrap_err("cannot write JSON")?);
    } else {
        print!("{}", text::of(&view, args.transactions));
    }
    Ok(())
}
