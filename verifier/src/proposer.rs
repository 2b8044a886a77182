//! Proposes output roots of the verifier's own chain, and resolves proposals whose window has passed.
//!
//! Keeps nothing: every round reads the chain and does what is missing, so a restart repeats nothing.

use std::{sync::Arc, time::Duration};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use eyre::{WrapErr, ensure, eyre};
use lockstep_contracts::l1::Assertions;
use lockstep_derive::Checkpoint;
use lockstep_l1::{NoJournal, TxManager, TxRequest};
use lockstep_primitives::{BlockNumber, Genesis};
use metrics::counter;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    ProposeFrom,
    status::{SharedStatus, Status},
    store::Store,
};

/// Wait after a failed round, unless the interval is shorter.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// `Assertions` knows the hashes of L1's last 8,191 blocks (EIP-2935); some pass until a transaction is in one.
const MAX_L1_AGE: u64 = 8_000;

/// What the proposer works with.
#[derive(Debug)]
pub(crate) struct Proposer {
    pub(crate) manager: TxManager,
    pub(crate) assertions: Address,
    pub(crate) store: Arc<Store>,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) status: SharedStatus,
    pub(crate) interval: Duration,
    pub(crate) from: ProposeFrom,
}

impl Proposer {
    /// Works until `shutdown`. Failures are logged and tried again: the verifier goes on without proposals.
    pub(crate) async fn run(&self, shutdown: &CancellationToken) {
        info!(proposer = %self.manager.address(), "proposing output roots");
        let mut unresolved = 0;
        loop {
            let pause = match self.round(&mut unresolved, shutdown).await {
                Ok(()) => self.interval,
                Err(_) if shutdown.is_cancelled() => return,
                Err(error) => {
                    counter!("lockstep_proposer_failures_total").increment(1);
                    warn!(error = format!("{error:#}"), "proposing failed, trying again");
                    self.interval.min(RETRY_AFTER)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    async fn round(&self, unresolved: &mut u64, shutdown: &CancellationToken) -> eyre::Result<()> {
        let status = self.status.get();
        if !status.caught_up {
            return Ok(());
        }
        self.resolve(unresolved, &status, shutdown).await?;
        self.propose(&status, shutdown).await
    }

    /// Proposes the newest block that the settings allow, if it is ahead of all standing proposals.
    async fn propose(&self, status: &Status, shutdown: &CancellationToken) -> eyre::Result<()> {
        let Some(checkpoint) = self.store.checkpoint(newest_l1(status, self.from))? else { return Ok(()) };
        let number = checkpoint.safe_head.number;
        let latest = self.call(Assertions::latestBlockNumberCall {}).await?;
        if U256::from(number.0) <= latest {
            return Ok(());
        }
        let age = status.head_l1.number.0.saturating_sub(checkpoint.l1.number);
        ensure!(age <= MAX_L1_AGE, "L1 no longer knows block {}, {age} blocks back", checkpoint.l1.number);
        self.send_proposal(&checkpoint, shutdown).await
    }

    async fn send_proposal(&self, checkpoint: &Checkpoint, shutdown: &CancellationToken) -> eyre::Result<()> {
        let number = checkpoint.safe_head.number;
        let block = self.store.block(number)?.ok_or_else(|| eyre!("block {number} is not derived"))?;
        let call = Assertions::proposeCall {
            outputRoot: block.output_root(),
            l2BlockNumber: U256::from(number.0),
            l1BlockHash: checkpoint.l1.hash,
            l1BlockNumber: U256::from(checkpoint.l1.number),
        };
        let bond = self.call(Assertions::proposalBondCall {}).await?;
        self.send(call, U256::from(bond), shutdown).await.wrap_err("cannot propose")?;
        counter!("lockstep_proposer_proposals_total").increment(1);
        info!(block = number.0, output_root = %block.output_root(), "output root proposed");
        Ok(())
    }

    /// Resolves true proposals in order, up to the first whose window is open; then takes back free bonds.
    async fn resolve(
        &self,
        unresolved: &mut u64,
        status: &Status,
        shutdown: &CancellationToken,
    ) -> eyre::Result<()> {
        let count: u64 = self.call(Assertions::proposalCountCall {}).await?.try_into()?;
        let window = self.call(Assertions::challengeWindowCall {}).await?;
        for index in *unresolved..count {
            let proposal = self.call(Assertions::proposalCall { index: U256::from(index) }).await?;
            if !(proposal.rejected || proposal.resolved) {
                if status.head_l1.timestamp <= proposal.createdAt.saturating_add(window) {
                    break;
                }
                let number = BlockNumber(proposal.l2BlockNumber);
                if self.output_root(number)? == Some(proposal.outputRoot) {
                    let call = Assertions::resolveCall { index: U256::from(index) };
                    self.send(call, U256::ZERO, shutdown).await.wrap_err("cannot resolve a proposal")?;
                    info!(proposal = index, block = number.0, "proposal resolved");
                }
            }
            *unresolved = index + 1;
        }
        self.withdraw_credit(shutdown).await
    }

    async fn withdraw_credit(&self, shutdown: &CancellationToken) -> eyre::Result<()> {
        let account = self.manager.address();
        let credit = self.call(Assertions::creditCall { account }).await?;
        if credit.is_zero() {
            return Ok(());
        }
        let call = Assertions::withdrawCreditCall { to: account };
        self.send(call, U256::ZERO, shutdown).await.wrap_err("cannot take back bonds")?;
        info!(wei = %credit, "bonds taken back");
        Ok(())
    }

    fn output_root(&self, number: BlockNumber) -> eyre::Result<Option<alloy::primitives::B256>> {
        if number == BlockNumber(0) {
            return Ok(Some(self.genesis.output_root()));
        }
        Ok(self.store.block(number)?.map(|block| block.output_root()))
    }

    async fn call<C: SolCall>(&self, call: C) -> eyre::Result<C::Return> {
        let request = TransactionRequest::default().with_to(self.assertions).with_input(call.abi_encode());
        let returned = self.manager.provider().call(request).await?;
        C::abi_decode_returns(&returned).wrap_err(C::SIGNATURE)
    }

    async fn send<C: SolCall>(&self, call: C, value: U256, shutdown: &CancellationToken) -> eyre::Result<()> {
        let input = call.abi_encode().into();
        let request = TxRequest { to: Some(self.assertions), value, input, ..TxRequest::default() };
        let included = self.manager.send(request, &NoJournal, shutdown).await?;
        ensure!(
            included.success,
            "transaction {} failed in L1 block {}",
            included.hash,
            included.block.number
        );
        Ok(())
    }
}

/// The L1 block up to which a proposal may count. The newest one is left out: the contract checks its hash,
/// and nodes estimate gas in a block whose parent's hash is the newest known.
fn newest_l1(status: &Status, from: ProposeFrom) -> u64 {
    match from {
        ProposeFrom::Safe => status.head_l1.number.0.saturating_sub(1),
        ProposeFrom::Finalized => status.finalized_l1.number.0,
    }
}
