//! Sends the transactions of one key, each exactly once, whatever crashes.

use std::time::Duration;

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
use tracing::info;

use crate::{
    Fees, Journal, L1Error, Market, PooledTx, PreparedTx, TxOptions, client, error::rpc, refusal::Refusal,
    sidecar,
};

/// Percent added to the node's gas estimate.
const GAS_MARGIN_PERCENT: u64 = 20;

/// Gas added besides: a storage slot that is filled for the first time. The node may estimate as if our earlier
/// transactions were in a block, and they may not be.
const GAS_MARGIN: u64 = 20_000;

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
    /// Gas limit; `None` asks the node and adds 20 % and 20,000.
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

/// Sends transactions of one key and follows them into a block.
#[derive(Debug, Clone)]
pub struct TxManager {
    pub(crate) provider: RootProvider,
    signer: PrivateKeySigner,
    chain_id: u64,
    pub(crate) options: TxOptions,
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

    /// Time between two looks at L1.
    #[must_use]
    pub const fn poll_interval(&self) -> Duration {
        self.options.tx_poll_interval
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
            self.broadcast(tx).await?;
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

    /// Whether the node has this block in its chain.
    ///
    /// # Errors
    /// If the node does not answer.
    pub async fn is_canonical(&self, block: BlockId) -> Result<bool, L1Error> {
        let found = self.provider.get_block_by_number(block.number.into()).await;
        let found = found.map_err(rpc("eth_getBlockByNumber"))?;
        Ok(found.is_some_and(|found| found.header.hash == block.hash))
    }

    /// `tx` with the fees that replace it; `None` if the limits forbid them.
    pub(crate) async fn replacement(&self, tx: &PreparedTx) -> Result<Option<PreparedTx>, L1Error> {
        let fees = tx.fees()?.replacement(&self.market().await?, &self.options.limits());
        let Some(fees) = fees else { return Ok(None) };
        info!(hash = %tx.hash, nonce = tx.nonce, ?fees, "replacing a transaction");
        self.with_fees(tx.decode()?, &fees).map(Some)
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
        let with_margin = estimate + estimate * GAS_MARGIN_PERCENT / 100 + GAS_MARGIN;
        Ok(with_margin.min(MAX_GAS_LIMIT.max(estimate)))
    }

    pub(crate) fn refusal(&self, what: &'static str, error: RpcError<TransportErrorKind>) -> L1Error {
        let message = error.as_error_resp().map(|answer| answer.message.to_string()).unwrap_or_default();
        match Refusal::of(&message) {
            Refusal::Funds => L1Error::InsufficientFunds { sender: self.address(), message },
            Refusal::Reverted => L1Error::Reverted(message),
            _ => rpc(what)(error),
        }
    }

    pub(crate) async fn store(&self, journal: &impl Journal, tx: &PreparedTx) -> Result<(), L1Error> {
        journal.prepared(tx).await.map_err(L1Error::Journal)
    }
}

fn prepared(nonce: u64, tx: &PooledTx) -> PreparedTx {
    PreparedTx { nonce, hash: *tx.tx_hash(), raw: tx.encoded_2718().into() }
}
