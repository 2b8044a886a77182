//! The flags of a load.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use humantime::parse_duration;

use crate::error::LoadError;
use crate::net::Endpoint;
use crate::workload::Workload;

const GWEI: f64 = 1e9;
/// Transactions of a round that names neither their number nor its duration.
const TRANSACTIONS: usize = 10_000;
/// Transactions that are signed for each second of a closed loop, which does not say how many it will take.
const SIGNED_PER_SECOND: f64 = 10_000.0;
const ROUNDS_OF_SEVERAL: usize = 3;

/// What to send where, and what to do with the figures.
#[derive(Clone, Debug, clap::Args)]
pub struct LoadOptions {
    /// A server, NAME=URL or URL, http alone; several for a comparison of the first with the others.
    #[arg(long = "target", value_name = "NAME=URL", required = true)]
    pub targets: Vec<Target>,
    /// Processes of a server, for its CPU time; those below them count too, so Postgres is its postmaster.
    #[arg(long = "pid", value_name = "NAME=PID,..")]
    pub pids: Vec<Pids>,
    /// Rounds; targets take turns in each. Default: 1, of several targets 3.
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    pub rounds: Option<usize>,
    /// What transactions do.
    #[arg(long, value_enum, default_value_t = Workload::Transfers)]
    pub workload: Workload,
    /// Accounts that send.
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = at_least_one)]
    pub accounts: usize,
    /// Names the accounts and what they do: the same seed finds the same accounts again.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Transactions of a round on a target. Default: 10000; with --duration, 10000 or --rate for each of its seconds.
    #[arg(long, value_name = "COUNT", value_parser = at_least_one)]
    pub transactions: Option<usize>,
    /// Time after which no transaction is sent, such as 60s.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub duration: Option<Duration>,
    /// Connections, each with one request under way.
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = at_least_one)]
    pub clients: usize,
    /// Open loop: transactions of a second, evenly spaced, whether or not the server keeps up. Default: as fast as
    /// clients get their answers.
    #[arg(long, value_name = "PER-SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// Transactions of a request; above 1 a JSON-RPC batch.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = at_least_one)]
    pub batch: usize,
    /// Submit with eth_sendRawTransactionSync (EIP-7966): the answer is the receipt.
    #[arg(long)]
    pub sync: bool,
    /// How often a refused transaction is offered again, 50 ms later; then those behind it are skipped.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub retries: u32,
    /// Highest fee per gas, gwei. Default: 20 times the base fee, at least 10 gwei.
    #[arg(long, value_name = "GWEI", value_parser = rate)]
    pub max_fee_gwei: Option<f64>,
    /// The chain id that every target has to have. Default: any.
    #[arg(long, value_name = "ID")]
    pub chain_id: Option<u64>,
    /// How long to wait for an answer, and for a block that has one more of the transactions.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub patience: Duration,
    /// Time between two looks at the head of the chain.
    #[arg(long, value_name = "TIME", default_value = "20ms", value_parser = parse_duration)]
    pub poll: Duration,
    /// Included transactions whose receipts are looked at afterwards, to tell whether they failed.
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub receipts: usize,
    /// Draw rates and latencies over time as SVG into FILE.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write all figures as JSON into FILE.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// End well even if transactions were refused, were never included, or failed.
    #[arg(long)]
    pub tolerate_errors: bool,
}

/// A server and its name in reports.
#[derive(Clone, Debug)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
}

impl FromStr for Target {
    type Err = LoadError;

    /// `NAME=URL`; of a URL alone, host and port are the name.
    fn from_str(text: &str) -> Result<Self, LoadError> {
        let named = text.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains('/'));
        let (name, url) = named.map_or((None, text), |(name, url)| (Some(name), url));
        let endpoint = Endpoint::parse(url)?;
        let name = name.unwrap_or_else(|| endpoint.address()).to_owned();
        Ok(Self { name, endpoint })
    }
}

/// The processes of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pids {
    name: String,
    pids: Vec<u32>,
}

impl FromStr for Pids {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not NAME=PID,PID");
        let (name, pids) = text.split_once('=').ok_or_else(wrong)?;
        let pids = pids.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        Ok(Self { name: name.to_owned(), pids })
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "not a number above 0".into())
}

fn rate(text: &str) -> Result<f64, String> {
    let positive = |rate: &f64| rate.is_finite() && *rate > 0.0;
    text.parse().ok().filter(positive).ok_or_else(|| "not a number above 0".into())
}

impl LoadOptions {
    /// Looks for what no single flag can tell.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        let mut names: Vec<_> = self.targets.iter().map(|target| &target.name).collect();
        if let Some(pids) = self.pids.iter().find(|pids| !names.contains(&&pids.name)) {
            return Err(LoadError::Usage(format!("--pid {}=…: no --target has this name", pids.name)));
        }
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(LoadError::Usage(format!("two targets are called {}", twice[0])));
        }
        if u32::try_from(self.transactions()).is_err() {
            return Err(LoadError::Usage("more than 4,294,967,295 transactions do not fit one round".into()));
        }
        Ok(())
    }

    /// Transactions of a round on a target.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A float becomes the nearest whole number.
    pub(crate) fn transactions(&self) -> usize {
        let most = self
            .duration
            .map(|time| (time.as_secs_f64() * self.rate.unwrap_or(SIGNED_PER_SECOND)).ceil() as usize);
        match (self.transactions, most) {
            (Some(count), _) => count,
            (None, Some(most)) => most.max(1),
            (None, None) => TRANSACTIONS,
        }
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.targets.len() > 1 { ROUNDS_OF_SEVERAL } else { 1 })
    }

    /// Clients that have an account of their own.
    pub(crate) fn clients(&self) -> usize {
        self.clients.min(self.accounts)
    }

    pub(crate) fn interval(&self) -> Option<Duration> {
        self.rate.map(|rate| Duration::from_secs_f64(1.0 / rate))
    }

    /// Wei.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A float becomes the nearest whole number.
    pub(crate) fn max_fee(&self) -> Option<u128> {
        self.max_fee_gwei.map(|gwei| (gwei * GWEI) as u128)
    }

    pub(crate) fn pids_of(&self, name: &str) -> Vec<u32> {
        self.pids.iter().filter(|pids| pids.name == name).flat_map(|pids| pids.pids.clone()).collect()
    }

    /// What is sent, in words.
    pub(crate) fn title(&self) -> String {
        let manner =
            self.rate.map_or_else(|| "closed loop".to_owned(), |rate| format!("open loop at {rate}/s"));
        let batch = if self.batch > 1 { format!(", {} in a request", self.batch) } else { String::new() };
        let sync = if self.sync { ", answers are receipts" } else { "" };
        let (accounts, clients) = (self.accounts, self.clients());
        format!("{}, {accounts} accounts, {clients} clients, {manner}{batch}{sync}", self.workload)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: LoadOptions,
    }

    fn parse(flags: &str) -> LoadOptions {
        let flags = flags.split_whitespace();
        Cli::try_parse_from(["load", "--target", "a=http://h:1"].into_iter().chain(flags)).unwrap().options
    }

    #[test]
    fn a_target_has_the_name_that_it_is_given_or_its_address() {
        let name = |text: &str| text.parse::<Target>().map(|target| target.name);
        assert_eq!(name("anvil=http://127.0.0.1:8545").unwrap(), "anvil");
        assert_eq!(name("http://127.0.0.1:8545").unwrap(), "127.0.0.1:8545");
        assert_eq!(name("http://h:1/rpc?key=a").unwrap(), "h:1");
        assert!(name("anvil").is_err());
    }

    #[test]
    fn processes_belong_to_a_target() {
        let options = parse("--pid a=1,2 --pid a=3");
        assert_eq!(options.pids_of("a"), [1, 2, 3]);
        assert!(options.pids_of("b").is_empty());
        options.check().unwrap();
        assert!(parse("--pid b=1").check().is_err());
        assert!("a=1,x".parse::<Pids>().is_err());
    }

    #[test]
    fn two_targets_have_two_names() {
        assert!(parse("--target a=http://h:2").check().is_err());
        assert_eq!(parse("--target b=http://h:2").rounds(), 3);
        assert_eq!(parse("--target b=http://h:2 --rounds 5").rounds(), 5);
        assert_eq!(parse("").rounds(), 1);
    }

    #[test]
    fn enough_transactions_are_signed_for_the_time() {
        assert_eq!(parse("").transactions(), 10_000);
        assert_eq!(parse("--transactions 7 --duration 60s").transactions(), 7);
        assert_eq!(parse("--duration 2s").transactions(), 20_000);
        assert_eq!(parse("--duration 1500ms --rate 3").transactions(), 5);
    }

    #[test]
    fn no_client_is_without_an_account() {
        assert_eq!(parse("--accounts 3").clients(), 3);
        assert_eq!(parse("--accounts 300").clients(), 64);
    }

    #[test]
    fn fees_are_gwei() {
        assert_eq!(parse("--max-fee-gwei 1.5").max_fee(), Some(1_500_000_000));
        assert!(Cli::try_parse_from(["load", "--target", "http://h", "--max-fee-gwei", "0"]).is_err());
    }
}
