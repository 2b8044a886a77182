//! `lockstep load`: transactions for any Ethereum JSON-RPC server, and what it made of them.

use eyre::{WrapErr, eyre};
use lockstep_l1::KeySource;
use lockstep_load::{Account, LoadOptions};
use tokio_util::sync::CancellationToken;

/// Flags of `lockstep load`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    options: LoadOptions,
    /// Key that pays for accounts and contracts, `env:NAME` or `keystore:PATH`; by default the first of every development chain.
    #[arg(long, env = "LOCKSTEP_LOAD_KEY_SOURCE", value_name = "SOURCE", default_value = "dev:0")]
    key: KeySource,
}

/// Runs the load and prints its report, whether it went well or not.
///
/// # Errors
/// A target is not what it has to be; or transactions were refused, never included or failed, and that is not tolerated.
pub(crate) async fn run(args: LoadArgs, shutdown: CancellationToken) -> eyre::Result<()> {
    let key = args.key.load().wrap_err("cannot read the key of the load")?;
    let funder = Account::new(key.to_bytes()).ok_or_else(|| eyre!("the key of the load is none"))?;
    let outcome = lockstep_load::run(&args.options, &funder, &shutdown).await?;
    print!("{}", outcome.text());
    outcome.save(&args.options)?;
    if !args.options.tolerate_errors {
        outcome.verdict()?;
    }
    Ok(())
}
