//! The transaction manager against a real anvil, and against one that a proxy makes err, stall and lie.

#![allow(clippy::unwrap_used)]

mod faults;
mod fees;
mod sending;
mod several;

use std::{sync::Mutex, time::Duration};

use alloy::{
    consensus::Transaction,
    primitives::{Address, B256, U256, address},
    providers::Provider,
};
use lockstep_devnet::{Anvil, AnvilOptions, Tools};
use lockstep_l1::{
    Blob, Cause, InFlight, Included, Journal, L1Error, NoJournal, PreparedTx, Progress, TxManager, TxOptions,
    TxRequest, TxStatus, dev_key,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const SOMEONE: Address = address!("00000000000000000000000000000000000000aa");

/// An anvil that mines a block per transaction, or only when told to.
async fn anvil(mines: bool) -> (Anvil, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let options = AnvilOptions {
        block_time: (!mines).then_some(Duration::from_secs(100_000)),
        persist: false,
        ..AnvilOptions::new(dir.path().to_owned())
    };
    (Anvil::start(&Tools::from_env(), options).await.unwrap(), dir)
}

async fn manager(anvil: &Anvil, resubmit_after: Duration) -> TxManager {
    TxManager::connect(&anvil.rpc_url(), dev_key(0), options(resubmit_after)).await.unwrap()
}

fn options(resubmit_after: Duration) -> TxOptions {
    TxOptions {
        tx_resubmit_after: resubmit_after,
        tx_poll_interval: Duration::from_millis(20),
        ..TxOptions::default()
    }
}

async fn rpc(manager: &TxManager, method: &'static str, params: impl serde::Serialize) {
    let params = serde_json::value::to_raw_value(&params).unwrap();
    let _: serde_json::Value = manager.provider().raw_request(method.into(), params).await.unwrap();
}

fn transfer() -> TxRequest {
    TxRequest { to: Some(SOMEONE), value: U256::ONE, ..TxRequest::default() }
}

fn with_blob() -> TxRequest {
    let mut blob = Blob::ZERO;
    blob[1] = 7;
    TxRequest { to: Some(SOMEONE), blobs: vec![blob], ..TxRequest::default() }
}

/// Keeps attempts, and can mine a block when it has the given number of them.
#[derive(Default)]
struct Memory {
    attempts: Mutex<Vec<PreparedTx>>,
}

impl Journal for Memory {
    async fn prepared(&self, tx: &PreparedTx) -> Result<(), Cause> {
        self.attempts.lock().unwrap().push(tx.clone());
        Ok(())
    }
}

impl Memory {
    fn attempts(&self) -> Vec<PreparedTx> {
        self.attempts.lock().unwrap().clone()
    }
}

/// Waits until `count` attempts are journaled and the last one is in the pool.
async fn pooled(manager: &TxManager, memory: &Memory, count: usize) {
    loop {
        let attempts = memory.attempts();
        if attempts.len() >= count {
            let last = attempts.last().unwrap().hash;
            if manager.provider().get_transaction_by_hash(last).await.unwrap().is_some() {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One request on its way, looked at by hand.
struct Flight {
    flight: InFlight,
    memory: Memory,
}

impl Flight {
    /// Signed and journaled under `nonce`, not yet sent.
    async fn prepare(manager: &TxManager, request: TxRequest, nonce: u64) -> Self {
        let tx = manager.prepare(request, nonce).await.unwrap();
        let memory = Memory { attempts: Mutex::new(vec![tx.clone()]) };
        Self { flight: InFlight::new(vec![tx]), memory }
    }

    async fn look(&mut self, manager: &TxManager) -> Result<Progress, L1Error> {
        let next = manager.nonce().await?;
        manager.advance(&mut self.flight, next, &self.memory).await
    }

    /// Looks until `wanted`.
    async fn until(
        &mut self,
        manager: &TxManager,
        wanted: impl Fn(&Result<Progress, L1Error>) -> bool,
    ) -> Progress {
        loop {
            let seen = self.look(manager).await;
            if wanted(&seen) {
                return seen.unwrap_or(Progress::Waiting);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_included(&mut self, manager: &TxManager) -> Included {
        match self.until(manager, |seen| matches!(seen, Ok(Progress::Included(_)))).await {
            Progress::Included(included) => included,
            _ => unreachable!("waited for it"),
        }
    }

    fn last(&self) -> PreparedTx {
        self.memory.attempts().last().unwrap().clone()
    }

    fn attempts(&self) -> usize {
        self.memory.attempts().len()
    }
}

async fn in_pool(manager: &TxManager, hash: B256) -> bool {
    manager.provider().get_transaction_by_hash(hash).await.unwrap().is_some()
}
