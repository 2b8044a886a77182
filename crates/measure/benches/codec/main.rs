//! `cargo bench -p lockstep-measure`: bytes and speed of our codec beside those of peers.
//!
//! Transfers of the testkit ([`traffic::transfers`]): 1,500 transactions of type 2 by 200 senders, ETH and ERC-20, to
//! 300 recurring recipients and to new ones. Signatures are real; random bytes would be as dense. Where
//! `LOCKSTEP_DATA` is set, also the real transactions in its folder `l2-transactions`. Flags come after `--`:
//!
//! ```text
//! TEXT        only loads whose name contains TEXT
//! --seed N    seed of the transfers; 7
//! --size N    transactions of each load; 1500
//! ```
//!
//! One line per codec, in the words of `lockstep batch measure`, then what our columns cost. Each codec's output is
//! decoded and compared before it is timed; times are processor time of one thread, the median of three rounds in
//! which the codecs take turns.

use std::{env, error::Error, fs::File, path::PathBuf, process::ExitCode};

use lockstep_measure::{Load, Measurement, Timing, measure};
use lockstep_testkit::traffic::{self, Asset, Recipients, Traffic};

/// What the command line asks for.
struct Args {
    only: String,
    seed: u64,
    size: usize,
    /// `cargo test` runs benches without `--bench`: once, small.
    measured: bool,
}

fn main() -> ExitCode {
    match Args::from_env().and_then(|args| run(&args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    println!("machine: {}, commit: {}, seed: {}", machine(), commit(), args.seed);
    for asset in [Asset::Eth, Asset::Erc20] {
        for recipients in [Recipients::Recurring, Recipients::New] {
            report(args, || load(&traffic::transfers(asset, recipients, args.size, args.seed)))?;
        }
    }
    if !args.measured {
        return Ok(());
    }
    let Some(data) = env::var_os("LOCKSTEP_DATA").map(PathBuf::from) else {
        println!("real L2 transactions: left out, LOCKSTEP_DATA is not set");
        return Ok(());
    };
    for name in ["op-channel", "world"] {
        let path = data.join("l2-transactions").join(format!("{name}.hex.zst"));
        report(args, || Ok(Load::read(name, File::open(path)?)?))?;
    }
    Ok(())
}

fn report(args: &Args, load: impl FnOnce() -> Result<Load, Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let load = load()?;
    if !load.name.contains(&args.only) {
        return Ok(());
    }
    println!(
        "\n{}: {} transactions of {} bytes in {} blocks",
        load.name,
        load.transactions(),
        load.raw_bytes(),
        load.blocks()
    );
    let measured = measure(&load, if args.measured { Timing::FULL } else { Timing::ONCE })?;
    measured.iter().for_each(|measurement| println!("{measurement}"));
    if let Some(table) = measured.iter().find_map(Measurement::table) {
        print!("{table}");
    }
    Ok(())
}

fn load(traffic: &Traffic) -> Result<Load, Box<dyn Error>> {
    let mut load = Load::new(traffic.name);
    for block in &traffic.blocks {
        load.push_block(block.iter().map(|tx| tx.raw.clone()).collect())?;
    }
    Ok(load)
}

impl Args {
    fn from_env() -> Result<Self, Box<dyn Error>> {
        let mut args = Self { only: String::new(), seed: 7, size: 1500, measured: false };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || words.next().ok_or_else(|| format!("{word} needs a number"));
            match word.as_str() {
                "--bench" => args.measured = true,
                "--seed" => args.seed = number()?.parse()?,
                "--size" => args.size = number()?.parse()?,
                text if text.starts_with('-') => return Err(format!("unknown flag {text}").into()),
                text => text.clone_into(&mut args.only),
            }
        }
        if !args.measured {
            args.size = args.size.min(150);
        }
        Ok(args)
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{} ({cores} cores)", model.map_or(env::consts::ARCH, |(_, name)| name))
}

fn commit() -> String {
    let git = std::process::Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    git.ok().and_then(|out| String::from_utf8(out.stdout).ok()).unwrap_or_default().trim().to_owned()
}
