//! Sends the transactions of one key, each exactly once, whatever crashes.

use std::time::Instant;

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar},
    eips::{BlockNumberOrTag, eip2718::Encodable2718, eip4844::Blob, eip7594::BlobTransactionSidecarVariant},
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{Provider, RootProvider},
    rpc::types::TransactionRequest,
    signers::{SignerSync, local::PrivateKeySigner},
    transports::{RpcError, TransportErrorKind},
};
use lockstep_primitives::BlockId;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    Fees, Journal, L1Error, Market, PooledTx, PreparedTx, TxOptions, client, error::rpc, refusal::Refusal,
    sidecar,
};

/// Percent added to the node's gas estimate.
const GAS_MARGIN_PERCENT: u64 = 20;

/// Looks in a row that must find a nonce used and no attempt in a block: nodes behind one address may differ.
const NONCE_TAKEN_LOOKS: u32 = 3;

/// Highest gas limit of a transaction (EIP-7825).
const MAX_GAS_LIMIT: u64 = 1 << 24;

/// What to send. With blobs it becomes an EIP-4844 transaction with the proofs that L1 wants, else an EIP-1559 one.
#[derive(Clone, Debug, Default)]
pub struct TxRequest {
    /// Receiver; `None` creates a contract.
    pub to: Option<Address>,
    /// Wei.
    pub value: U256,
    /// Calldata.
    pub input: Bytes,
    /// Blobs, up to six.
    pub blobs: Vec<Blob>,
    /// Gas limit; `None` asks the node and adds 20 %.
    pub gas_limit: Option<u64>,
}

/// A transaction that stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// Transaction hash.
    pub hash: B256,
    /// The block.
    pub block: BlockId,
    /// Whether it succeeded.
    pub success: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Wei paid for gas and blobs.
    pub fee: u128,
}

/// Where the attempts of one request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// One of them is in a block.
    Included(Included),
    /// The node holds at least one of them.
    Pending,
    /// The node knows none of them, and their nonce is free.
    Absent,
    /// Another transaction has their nonce.
    NonceTaken,
}

/// Sends transactions of one key and follows them into a block.
#[derive(Debug, Clone)]
pub struct TxManager {
    provider: RootProvider,
    signer: PrivateKeySigner,
    chain_id: u64,
    options: TxOptions,
}

impl TxManager {
    /// Connects to a node and learns its chain id.
    ///
    /// # Errors
    /// If the URL is not usable, the node does not answer, or the key is public and the chain is not a
    /// development chain.
    pub async fn connect(
        rpc_url: &str,
        signer: PrivateKeySigner,
        options: TxOptions,
    ) -> Result<Self, L1Error> {
        let provider = client::connect(rpc_url)?;
        let chain_id = provider.get_chain_id().await.map_err(rpc("eth_chainId"))?;
        crate::check_not_public(signer.address(), chain_id)
            .map_err(|error| L1Error::Sign(error.to_string()))?;
        Ok(Self { provider, signer, chain_id, options })
    }

    /// The account that sends.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// Chain id of L1.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The connection, for reading.
    #[must_use]
    pub const fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Wei that the account holds in the latest block.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn balance(&self) -> Result<U256, L1Error> {
        self.provider.get_balance(self.address()).await.map_err(rpc("eth_getBalance"))
    }

    /// The next nonce by the latest block.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn nonce(&self) -> Result<u64, L1Error> {
        self.provider.get_transaction_count(self.address()).await.map_err(rpc("eth_getTransactionCount"))
    }

    /// Current fees.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn market(&self) -> Result<Market, L1Error> {
        let history = self
            .provider
            .get_fee_history(5, BlockNumberOrTag::Latest, &[50.0])
            .await
            .map_err(rpc("eth_feeHistory"))?;
        let mut tips: Vec<u128> =
            history.reward.unwrap_or_default().iter().filter_map(|block| block.first().copied()).collect();
        tips.sort_unstable();
        Ok(Market {
            base_fee: history.base_fee_per_gas.last().copied().unwrap_or_default(),
            tip: tips.get(tips.len() / 2).copied().unwrap_or_default(),
            blob_base_fee: history.base_fee_per_blob_gas.last().copied().unwrap_or(1),
        })
    }

    /// Sends `request` under the next nonce and waits until it is in a block with the configured number of
    /// confirmations. The caller sends one request at a time.
    ///
    /// # Errors
    /// See [`L1Error`]; a transaction that failed in its block is not an error here, see [`Included::success`].
    pub async fn send(
        &self,
        request: TxRequest,
        journal: &impl Journal,
        shutdown: &CancellationToken,
    ) -> Result<Included, L1Error> {
        let nonce = self.nonce().await?;
        let tx = self.prepare(request, nonce).await?;
        self.store(journal, &tx).await?;
        self.drive(vec![tx], journal, shutdown).await
    }

    /// Sends `requests` in order under consecutive nonces without waiting in between, then waits for all of them.
    /// Each needs its own gas limit if it depends on an earlier one, for the node cannot estimate it yet.
    ///
    /// # Errors
    /// As [`Self::send`]; earlier requests may be in a block already.
    pub async fn send_all(
        &self,
        requests: Vec<TxRequest>,
        journal: &impl Journal,
        shutdown: &CancellationToken,
    ) -> Result<Vec<Included>, L1Error> {
        let mut prepared = Vec::with_capacity(requests.len());
        for (nonce, request) in (self.nonce().await?..).zip(requests) {
            let tx = self.prepare(request, nonce).await?;
            self.store(journal, &tx).await?;
            prepared.push(tx);
        }
        for tx in &prepared {
            self.broadcast_last(std::slice::from_ref(tx)).await?;
        }
        let mut included = Vec::with_capacity(prepared.len());
        for tx in prepared {
            included.push(self.drive(vec![tx], journal, shutdown).await?);
        }
        Ok(included)
    }

    /// Signs `request` with `nonce` and the fees of the moment. Nothing is sent.
    ///
    /// # Errors
    /// [`L1Error::Reverted`] if the node says that it would fail; else see [`L1Error`].
    pub async fn prepare(&self, request: TxRequest, nonce: u64) -> Result<PreparedTx, L1Error> {
        let fees = Fees::offer(&self.market().await?, &self.options.limits(), !request.blobs.is_empty());
        let sidecar = if request.blobs.is_empty() {
            None
        } else {
            let proofs = sidecar::wanted(&self.provider, self.chain_id).await?;
            Some(sidecar::of(request.blobs.clone(), proofs).await?)
        };
        let gas_limit = match request.gas_limit {
            Some(limit) => limit,
            None => self.estimate_gas(&request, &fees, sidecar.as_ref()).await?,
        };
        let to = request.to.map_or(TxKind::Create, TxKind::Call);
        let TxRequest { value, input, .. } = request;
        match (sidecar, to) {
            (Some(sidecar), TxKind::Call(to)) => {
                let tx = TxEip4844 {
                    chain_id: self.chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas: fees.max_fee,
                    max_priority_fee_per_gas: fees.tip,
                    max_fee_per_blob_gas: fees.max_blob_fee,
                    to,
                    value,
                    input,
                    access_list: Default::default(),
                    blob_versioned_hashes: sidecar.versioned_hashes().collect(),
                };
                self.sign_blobs(TxEip4844WithSidecar { tx, sidecar })
            }
            (Some(_), TxKind::Create) => {
                Err(L1Error::Reverted("a transaction with blobs cannot create a contract".to_owned()))
            }
            (None, to) => self.sign_1559(TxEip1559 {
                chain_id: self.chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fees.max_fee,
                max_priority_fee_per_gas: fees.tip,
                to,
                value,
                access_list: Default::default(),
                input,
            }),
        }
    }

    /// Takes journaled attempts of one request, oldest first, and sees them into a block: sends the latest
    /// again where the node lost it, replaces it when it waits too long.
    ///
    /// # Errors
    /// [`L1Error::NonceTaken`] if another transaction has the nonce; else see [`L1Error`].
    pub async fn drive(
        &self,
        mut attempts: Vec<PreparedTx>,
        journal: &impl Journal,
        shutdown: &CancellationToken,
    ) -> Result<Included, L1Error> {
        let mut waiting_since = Instant::now();
        let mut taken = 0;
        loop {
            match self.status(&attempts).await? {
                TxStatus::Included(included) => {
                    if self.confirmations(&included).await? >= self.options.tx_confirmations {
                        return Ok(included);
                    }
                }
                TxStatus::NonceTaken => {
                    taken += 1;
                    if taken >= NONCE_TAKEN_LOOKS {
                        return Err(self.nonce_taken(&attempts));
                    }
                }
                TxStatus::Absent => {
                    if self.broadcast_last(&attempts).await? == Sent::Underpriced {
                        self.replace(&mut attempts, journal).await?;
                    }
                    waiting_since = Instant::now();
                }
                TxStatus::Pending if waiting_since.elapsed() >= self.options.tx_resubmit_after => {
                    self.replace(&mut attempts, journal).await?;
                    waiting_since = Instant::now();
                }
                TxStatus::Pending => {}
            }
            self.pause(shutdown).await?;
        }
    }

    /// Stores and sends a dearer version of the last attempt, unless the limits forbid it.
    async fn replace(&self, attempts: &mut Vec<PreparedTx>, journal: &impl Journal) -> Result<(), L1Error> {
        if let Some(replacement) = self.replacement(attempts).await? {
            self.store(journal, &replacement).await?;
            metrics::counter!("lockstep_l1_tx_replacements_total").increment(1);
            attempts.push(replacement);
            self.broadcast_last(attempts).await?;
        }
        Ok(())
    }

    /// Waits until it is worth looking at L1 again.
    ///
    /// # Errors
    /// [`L1Error::Shutdown`] when `shutdown` is cancelled.
    pub async fn pause(&self, shutdown: &CancellationToken) -> Result<(), L1Error> {
        tokio::select! {
            () = shutdown.cancelled() => Err(L1Error::Shutdown),
            () = sleep(self.options.tx_poll_interval) => Ok(()),
        }
    }

    /// Looks once at where the attempts of one request stand.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn status(&self, attempts: &[PreparedTx]) -> Result<TxStatus, L1Error> {
        let Some(last) = attempts.last() else { return Ok(TxStatus::Absent) };
        let used = self.nonce().await? > last.nonce;
        for tx in attempts.iter().rev() {
            if let Some(included) = self.included(tx.hash).await? {
                return Ok(TxStatus::Included(included));
            }
        }
        if used {
            return Ok(TxStatus::NonceTaken);
        }
        for tx in attempts.iter().rev() {
            let found = self.provider.get_transaction_by_hash(tx.hash).await;
            if found.map_err(rpc("eth_getTransactionByHash"))?.is_some() {
                return Ok(TxStatus::Pending);
            }
        }
        Ok(TxStatus::Absent)
    }

    /// The block of a transaction; `None` if it is in none.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn included(&self, hash: B256) -> Result<Option<Included>, L1Error> {
        let receipt =
            self.provider.get_transaction_receipt(hash).await.map_err(rpc("eth_getTransactionReceipt"))?;
        let Some(receipt) = receipt else { return Ok(None) };
        let (Some(number), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
            return Ok(None);
        };
        let gas = u128::from(receipt.gas_used) * receipt.effective_gas_price;
        let blobs = u128::from(receipt.blob_gas_used.unwrap_or(0)) * receipt.blob_gas_price.unwrap_or(0);
        Ok(Some(Included {
            hash,
            block: BlockId { number, hash: block_hash },
            success: receipt.status(),
            gas_used: receipt.gas_used,
            fee: gas + blobs,
        }))
    }

    async fn confirmations(&self, included: &Included) -> Result<u64, L1Error> {
        let latest = self.provider.get_block_number().await.map_err(rpc("eth_blockNumber"))?;
        Ok((latest + 1).saturating_sub(included.block.number))
    }

    async fn replacement(&self, attempts: &[PreparedTx]) -> Result<Option<PreparedTx>, L1Error> {
        let Some(last) = attempts.last() else { return Ok(None) };
        let Some(fees) = last.fees()?.replacement(&self.market().await?, &self.options.limits()) else {
            warn!(hash = %last.hash, nonce = last.nonce, "transaction waits at the highest fee allowed");
            return Ok(None);
        };
        info!(hash = %last.hash, nonce = last.nonce, ?fees, "replacing a transaction that waits too long");
        self.with_fees(last.decode()?, &fees).map(Some)
    }

    fn with_fees(&self, tx: PooledTx, fees: &Fees) -> Result<PreparedTx, L1Error> {
        match tx {
            PooledTx::Eip4844(signed) => {
                let mut tx = signed.into_parts().0;
                tx.tx.max_fee_per_gas = fees.max_fee;
                tx.tx.max_priority_fee_per_gas = fees.tip;
                tx.tx.max_fee_per_blob_gas = fees.max_blob_fee;
                self.sign_blobs(tx)
            }
            PooledTx::Eip1559(signed) => {
                let mut tx = signed.into_parts().0;
                tx.max_fee_per_gas = fees.max_fee;
                tx.max_priority_fee_per_gas = fees.tip;
                self.sign_1559(tx)
            }
            other => Err(L1Error::Journaled {
                hash: *other.tx_hash(),
                reason: "neither an EIP-1559 nor an EIP-4844 transaction".to_owned(),
            }),
        }
    }

    fn sign_blobs(
        &self,
        tx: TxEip4844WithSidecar<BlobTransactionSidecarVariant>,
    ) -> Result<PreparedTx, L1Error> {
        let signature = self.sign(&tx.signature_hash())?;
        Ok(prepared(tx.tx.nonce, &PooledTx::Eip4844(tx.into_signed(signature))))
    }

    fn sign_1559(&self, tx: TxEip1559) -> Result<PreparedTx, L1Error> {
        let signature = self.sign(&tx.signature_hash())?;
        Ok(prepared(tx.nonce, &PooledTx::Eip1559(tx.into_signed(signature))))
    }

    fn sign(&self, hash: &B256) -> Result<alloy::primitives::Signature, L1Error> {
        self.signer.sign_hash_sync(hash).map_err(|error| L1Error::Sign(error.to_string()))
    }

    async fn estimate_gas(
        &self,
        request: &TxRequest,
        fees: &Fees,
        sidecar: Option<&BlobTransactionSidecarVariant>,
    ) -> Result<u64, L1Error> {
        let mut call = TransactionRequest {
            from: Some(self.address()),
            to: Some(request.to.map_or(TxKind::Create, TxKind::Call)),
            value: Some(request.value),
            input: request.input.clone().into(),
            ..Default::default()
        };
        if let Some(sidecar) = sidecar {
            call.blob_versioned_hashes = Some(sidecar.versioned_hashes().collect());
            call.max_fee_per_blob_gas = Some(fees.max_blob_fee);
            call.max_fee_per_gas = Some(fees.max_fee);
            call.max_priority_fee_per_gas = Some(fees.tip);
        }
        let estimate = self.provider.estimate_gas(call).await;
        let estimate = estimate.map_err(|error| self.refusal("eth_estimateGas", error))?;
        Ok((estimate + estimate * GAS_MARGIN_PERCENT / 100).min(MAX_GAS_LIMIT.max(estimate)))
    }

    async fn broadcast_last(&self, attempts: &[PreparedTx]) -> Result<Sent, L1Error> {
        let Some(tx) = attempts.last() else { return Ok(Sent::Known) };
        let mut sent = self.provider.send_raw_transaction(&tx.raw).await;
        if sent.as_ref().is_err_and(|error| Refusal::of_answer(error) == Refusal::Sidecar) {
            info!(hash = %tx.hash, "L1 wants the other kind of blob proofs");
            sent = self.provider.send_raw_transaction(&sidecar::converted(tx).await?).await;
        }
        let Err(error) = sent else { return Ok(Sent::Known) };
        match Refusal::of_answer(&error) {
            // It is there, or its nonce is used: the next look says which.
            Refusal::Known | Refusal::NonceTooLow => Ok(Sent::Known),
            Refusal::Underpriced => {
                warn!(hash = %tx.hash, %error, "the node wants higher fees");
                Ok(Sent::Underpriced)
            }
            _ => Err(self.refusal("eth_sendRawTransaction", error)),
        }
    }

    fn refusal(&self, what: &'static str, error: RpcError<TransportErrorKind>) -> L1Error {
        let message = error.as_error_resp().map(|answer| answer.message.to_string()).unwrap_or_default();
        match Refusal::of(&message) {
            Refusal::Funds => L1Error::InsufficientFunds { sender: self.address(), message },
            Refusal::Reverted => L1Error::Reverted(message),
            _ => rpc(what)(error),
        }
    }

    fn nonce_taken(&self, attempts: &[PreparedTx]) -> L1Error {
        let nonce = attempts.last().map_or(0, |tx| tx.nonce);
        L1Error::NonceTaken { sender: self.address(), nonce }
    }

    async fn store(&self, journal: &impl Journal, tx: &PreparedTx) -> Result<(), L1Error> {
        journal.prepared(tx).await.map_err(L1Error::Journal)
    }
}

fn prepared(nonce: u64, tx: &PooledTx) -> PreparedTx {
    PreparedTx { nonce, hash: *tx.tx_hash(), raw: tx.encoded_2718().into() }
}

/// What became of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// The node has it, or has seen it in a block.
    Known,
    /// Another transaction with this nonce pays too much to be replaced by it, or the fees are too low at all.
    Underpriced,
}
