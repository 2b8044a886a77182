//! The command line.

use std::env;

/// What to measure.
#[derive(Debug)]
pub(crate) struct Args {
    /// Parts of names; empty: all.
    workloads: Vec<String>,
    pub(crate) size: Option<usize>,
    pub(crate) seed: u64,
    pub(crate) threads: Vec<usize>,
    pub(crate) rounds: Option<usize>,
    pub(crate) per_block: bool,
    pub(crate) quick: bool,
    /// `cargo bench` asks for it; `cargo test --benches` does not.
    pub(crate) measure: bool,
}

impl Args {
    pub(crate) fn from_env() -> Result<Self, String> {
        let mut args = Self {
            workloads: Vec::new(),
            size: None,
            seed: 7,
            threads: Vec::new(),
            rounds: None,
            per_block: false,
            quick: false,
            measure: false,
        };
        if let Ok(list) = env::var("LOCKSTEP_BENCH_THREADS") {
            args.threads = numbers("LOCKSTEP_BENCH_THREADS", &list)?;
        }
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--workload" => args.workloads.push(value()?),
                "--size" => args.size = Some(number(&word, &value()?)?),
                "--seed" => args.seed = number(&word, &value()?)?,
                "--threads" => args.threads = numbers(&word, &value()?)?,
                "--rounds" => args.rounds = Some(number(&word, &value()?)?),
                "--per-block" => args.per_block = true,
                "--quick" => args.quick = true,
                "--bench" => args.measure = true,
                other if other.starts_with('-') => return Err(format!("unknown flag {other}")),
                other => args.workloads.push(other.to_owned()),
            }
        }
        if args.threads.is_empty() {
            args.threads = if args.quick { vec![2] } else { vec![1, 2, 4, 8] };
        }
        if args.threads.contains(&0) || args.size == Some(0) || args.rounds == Some(0) {
            return Err("threads, size and rounds start at 1".to_owned());
        }
        if args.quick {
            args.rounds.get_or_insert(3);
        }
        Ok(args)
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|part| name.contains(part.as_str()))
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{what}: {text:?} is no number"))
}

fn numbers(what: &str, text: &str) -> Result<Vec<usize>, String> {
    text.split(',').map(|part| number(what, part.trim())).collect()
}
