//! Rounds on every target, and their outcome.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use alloy_primitives::{Address, TxKind};
use tokio_util::sync::CancellationToken;

use crate::accounts::{Account, SignedTx};
use crate::error::LoadError;
use crate::net::Rpc;
use crate::options::{LoadOptions, Target};
use crate::parallel::parallel;
use crate::progress;
use crate::report::{Column, Figures, json, plot, text};
use crate::run::{Manner, Round, round};
use crate::setup::{Needs, Ready, prepare};
use crate::workload::Script;

/// The figures of every round on every target.
#[derive(Clone, Debug)]
pub struct Outcome {
    title: String,
    targets: Vec<(String, Vec<Figures>)>,
}

impl Outcome {
    /// Names of the targets, and the figures of their rounds.
    #[must_use]
    pub fn targets(&self) -> &[(String, Vec<Figures>)] {
        &self.targets
    }

    /// A table for people.
    #[must_use]
    pub fn text(&self) -> String {
        text(&self.title, &self.columns())
    }

    /// Writes the files that `options` name.
    ///
    /// # Errors
    /// [`LoadError::Output`] if one cannot be written, [`LoadError::Plot`] if one cannot be drawn.
    pub fn save(&self, options: &LoadOptions) -> Result<(), LoadError> {
        if let Some(path) = &options.json {
            write(path, &json(&self.title, &self.columns()).to_string())?;
        }
        if let Some(path) = &options.svg {
            write(path, &plot(&self.title, &self.columns())?)?;
        }
        Ok(())
    }

    /// Whether every transaction of every round went as it should.
    ///
    /// # Errors
    /// [`LoadError::Flawed`] names the first round with trouble.
    pub fn verdict(&self) -> Result<(), LoadError> {
        for (name, rounds) in &self.targets {
            if let Some(flaw) = rounds.iter().find_map(Figures::flaw) {
                return Err(LoadError::Flawed(format!("{name}: {flaw}")));
            }
        }
        Ok(())
    }

    fn columns(&self) -> Vec<Column<'_>> {
        self.targets.iter().map(|(name, rounds)| Column { name, rounds }).collect()
    }
}

fn write(path: &Path, content: &str) -> Result<(), LoadError> {
    fs::write(path, content).map_err(|source| LoadError::Output { path: path.to_owned(), source })
}

/// Runs the load. `funder` pays for accounts and contracts. When `shutdown` is cancelled, the round under way begins no
/// request any more, and what it comes to is the outcome.
///
/// # Errors
/// [`LoadError`]: a target is not what it has to be, or does not answer any more.
pub async fn run(
    options: &LoadOptions,
    funder: &Account,
    shutdown: &CancellationToken,
) -> Result<Outcome, LoadError> {
    options.check()?;
    let people = People::of(options);
    let mut targets: Vec<_> =
        options.targets.iter().map(|target| (target.name.clone(), Vec::new())).collect();
    for _ in 0..options.rounds() {
        for (target, (_, rounds)) in options.targets.iter().zip(&mut targets) {
            if shutdown.is_cancelled() {
                continue;
            }
            let turn = Turn { options, target, funder, people: &people };
            rounds.extend(turn.play(shutdown).await?);
        }
    }
    Ok(Outcome { title: options.title(), targets })
}

/// The accounts of the load.
struct People {
    accounts: Vec<Account>,
    addresses: Vec<Address>,
}

impl People {
    fn of(options: &LoadOptions) -> Self {
        let derive = |index| Account::derived(options.seed, b"sender", index as u64);
        let accounts = parallel(options.accounts, derive);
        let addresses = accounts.iter().map(Account::address).collect();
        Self { accounts, addresses }
    }
}

/// One round on one target.
struct Turn<'a> {
    options: &'a LoadOptions,
    target: &'a Target,
    funder: &'a Account,
    people: &'a People,
}

impl Turn<'_> {
    /// `None` if it was stopped before it began.
    async fn play(&self, shutdown: &CancellationToken) -> Result<Option<Figures>, LoadError> {
        let Target { name, endpoint } = self.target;
        let mut rpc = Rpc::new(name, endpoint.clone());
        let needs = self.needs();
        let preparing = prepare(&mut rpc, name, self.funder, &self.people.addresses, &needs);
        let ready = tokio::select! {
            ready = preparing => ready?,
            () = shutdown.cancelled() => return Ok(None),
        };
        let txs = Arc::new(tokio::task::block_in_place(|| self.sign(&ready)));
        let bar = progress::bar(format!("{name}: run"), txs.len());
        let events = round(rpc, txs, &self.round(), &bar, shutdown).await?;
        Ok(Some(Figures::of(&events)))
    }

    fn needs(&self) -> Needs {
        let options = self.options;
        Needs {
            workload: options.workload,
            each: options.transactions().div_ceil(options.accounts),
            seed: options.seed,
            chain_id: options.chain_id,
            max_fee: options.max_fee(),
            sync: options.sync,
            patience: options.patience,
        }
    }

    fn round(&self) -> Round {
        let options = self.options;
        let manner = Manner {
            endpoint: self.target.endpoint.clone(),
            clients: options.clients(),
            accounts: options.accounts,
            batch: options.batch,
            sync: options.sync,
            retries: options.retries,
            interval: options.interval(),
            duration: options.duration,
            patience: options.patience,
        };
        Round {
            manner,
            pids: options.pids_of(&self.target.name),
            poll: options.poll,
            patience: options.patience,
            receipts: options.receipts,
        }
    }

    /// All transactions: accounts take turns.
    fn sign(&self, ready: &Ready) -> Vec<SignedTx> {
        let (options, people) = (self.options, self.people);
        let script = Script {
            workload: options.workload,
            seed: options.seed,
            market: &ready.market,
            people: &people.addresses,
        };
        let bar = progress::bar(format!("{}: sign", self.target.name), options.transactions());
        parallel(options.transactions(), |index| {
            let sender = index % people.accounts.len();
            let nonce = ready.nonces[sender] + (index / people.accounts.len()) as u64;
            let call = script.call(sender, nonce);
            let tx = ready.terms.transaction(nonce, TxKind::Call(call.to), call.value, call.gas, call.input);
            bar.step(1);
            people.accounts[sender].sign(tx)
        })
    }
}
