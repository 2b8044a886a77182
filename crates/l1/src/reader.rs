//! L1 blocks as derivation sees them.

mod posted;

use std::{ops::RangeInclusive, sync::Arc};

use alloy::{
    consensus::{BlockHeader, Transaction},
    eips::BlockNumberOrTag,
    network::TransactionResponse,
    primitives::{Address, Bytes, keccak256},
    providers::{Provider, RootProvider},
    rpc::types::{Filter, Header, Log},
    sol_types::{SolCall, SolEvent},
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use lockstep_contracts::l1::Inbox;
use lockstep_derive::{
    CONFIG_UPDATE_TOPIC, L1Block, Submission, TRANSACTION_DEPOSITED_TOPIC, parse_config_update, parse_deposit,
};
use lockstep_primitives::{BlockId, L1BlockNumber, L1BlockRef, L1Contracts, RollupConfig};

use crate::{
    BlobSchedule, L1Error,
    blobs::{BlobSource, BlobTx},
    client,
    error::rpc,
};

pub use posted::PostedBatch;

/// Blocks that [`L1Reader::range`] reads at once.
const PREFETCH: usize = 16;

/// `BatchAppended.daType` of a batch in blobs.
const DA_BLOBS: u8 = 1;

/// The heads of L1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct L1Heads {
    /// Newest block.
    pub latest: BlockId,
    /// Newest block that is unlikely to be reorged out.
    pub safe: BlockId,
    /// Newest block that is final.
    pub finalized: BlockId,
}

/// Reads L1 for one rollup. Clones share the connection.
#[derive(Clone, Debug)]
pub struct L1Reader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    provider: RootProvider,
    batches: Batches,
    contracts: L1Contracts,
    chain_id: u64,
    schedule: BlobSchedule,
}

/// Whether a reader gives what the batcher posted.
#[derive(Debug)]
enum Batches {
    LeftOut,
    From(BlobSource),
}

impl L1Reader {
    /// A reader of the L1 that `config` names. Nothing is asked yet, see [`Self::check`].
    ///
    /// Blobs come from the beacon node at `beacon_url`; without one, `rpc_url` must be anvil's.
    ///
    /// # Errors
    /// [`L1Error::Url`] if a URL is not usable.
    pub fn new(rpc_url: &str, beacon_url: Option<&str>, config: &RollupConfig) -> Result<Self, L1Error> {
        let provider = client::connect(rpc_url)?;
        let blobs = match beacon_url {
            Some(url) => BlobSource::beacon(url)?,
            None => BlobSource::Anvil(provider.clone()),
        };
        Ok(Self::with(provider, Batches::From(blobs), config))
    }

    /// A reader that leaves out what the batcher posted: enough to build blocks, not to derive them, and in no
    /// need of blobs.
    ///
    /// # Errors
    /// [`L1Error::Url`] if the URL is not usable.
    pub fn without_batches(rpc_url: &str, config: &RollupConfig) -> Result<Self, L1Error> {
        Ok(Self::with(client::connect(rpc_url)?, Batches::LeftOut, config))
    }

    fn with(provider: RootProvider, batches: Batches, config: &RollupConfig) -> Self {
        let chain_id = config.chain.l1_chain_id;
        let schedule = BlobSchedule::of(chain_id);
        Self { inner: Arc::new(Inner { provider, batches, contracts: config.contracts, chain_id, schedule }) }
    }

    /// Makes sure that the node serves the configured chain.
    ///
    /// # Errors
    /// [`L1Error::WrongChain`], or [`L1Error::Rpc`] if the node does not answer.
    pub async fn check(&self) -> Result<(), L1Error> {
        client::check_chain(&self.inner.provider, self.inner.chain_id).await
    }

    /// The connection, for other questions.
    #[must_use]
    pub fn provider(&self) -> &RootProvider {
        &self.inner.provider
    }

    /// The newest, safe and final blocks. A chain too young to have the latter two has its first block there.
    ///
    /// # Errors
    /// [`L1Error::Rpc`] if the node does not answer.
    pub async fn heads(&self) -> Result<L1Heads, L1Error> {
        let (latest, safe, finalized) = tokio::try_join!(
            self.tagged(BlockNumberOrTag::Latest),
            self.tagged(BlockNumberOrTag::Safe),
            self.tagged(BlockNumberOrTag::Finalized),
        )?;
        Ok(L1Heads { latest, safe, finalized })
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`L1Error::Rpc`] if the node does not answer.
    pub async fn head(&self) -> Result<BlockId, L1Error> {
        self.tagged(BlockNumberOrTag::Latest).await
    }

    /// Number and hash of a block; `None` if the chain does not reach it.
    ///
    /// # Errors
    /// [`L1Error::Rpc`] if the node does not answer.
    pub async fn id(&self, number: L1BlockNumber) -> Result<Option<BlockId>, L1Error> {
        let header = self.raw_header(number.0.into()).await?;
        Ok(header.map(|header| BlockId { number: header.number, hash: header.hash }))
    }

    /// The header of a block; `None` if the chain does not reach it.
    ///
    /// # Errors
    /// See [`L1Error`].
    pub async fn header(&self, number: L1BlockNumber) -> Result<Option<L1BlockRef>, L1Error> {
        self.raw_header(number.0.into()).await?.map(|header| self.block_ref(&header)).transpose()
    }

    /// A block with all that derivation needs; `None` if the chain does not reach it.
    ///
    /// # Errors
    /// [`L1Error::Reorged`] if the block went away while it was read; else see [`L1Error`].
    pub async fn block(&self, number: L1BlockNumber) -> Result<Option<L1Block>, L1Error> {
        let Some(header) = self.raw_header(number.0.into()).await? else { return Ok(None) };
        let mut block = L1Block { header: self.block_ref(&header)?, ..L1Block::default() };
        if self.may_have_logs(&header) {
            for log in self.logs(&header).await? {
                self.add(&mut block, &log).await?;
            }
        }
        Ok(Some(block))
    }

    /// Blocks `numbers` in order, several being read at once. Ends early at the head of the chain.
    pub fn range(
        &self,
        numbers: RangeInclusive<u64>,
    ) -> impl Stream<Item = Result<L1Block, L1Error>> + Send + use<> {
        let reader = self.clone();
        stream::iter(numbers)
            .map(move |number| {
                let reader = reader.clone();
                async move { reader.block(L1BlockNumber(number)).await }
            })
            .buffered(PREFETCH)
            .try_take_while(|block| futures::future::ready(Ok(block.is_some())))
            .try_filter_map(|block| futures::future::ready(Ok(block)))
    }

    async fn tagged(&self, tag: BlockNumberOrTag) -> Result<BlockId, L1Error> {
        let header = match self.raw_header(tag).await? {
            Some(header) => header,
            None => self
                .raw_header(BlockNumberOrTag::Earliest)
                .await?
                .ok_or(L1Error::Missing(L1BlockNumber(0)))?,
        };
        Ok(BlockId { number: header.number, hash: header.hash })
    }

    async fn raw_header(&self, number: BlockNumberOrTag) -> Result<Option<Header>, L1Error> {
        let block = self.inner.provider.get_block_by_number(number).await;
        Ok(block.map_err(rpc("eth_getBlockByNumber"))?.map(|block| block.header))
    }

    fn block_ref(&self, header: &Header) -> Result<L1BlockRef, L1Error> {
        let missing = |field| L1Error::Malformed(format!("block {} without {field}", header.number));
        let excess = header.excess_blob_gas().ok_or_else(|| missing("excessBlobGas"))?;
        Ok(L1BlockRef {
            number: L1BlockNumber(header.number),
            hash: header.hash,
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas().ok_or_else(|| missing("baseFeePerGas"))?,
            blob_base_fee: self.inner.schedule.base_fee(header.timestamp, excess),
            mix_hash: header.mix_hash().unwrap_or_default(),
            parent_beacon_block_root: header.parent_beacon_block_root().unwrap_or_default(),
        })
    }

    fn addresses(&self) -> Vec<Address> {
        let contracts = &self.inner.contracts;
        let mut addresses = vec![contracts.portal, contracts.system_config];
        if matches!(self.inner.batches, Batches::From(_)) {
            addresses.push(contracts.inbox);
        }
        addresses
    }

    /// A bloom filter has no false negatives, so most blocks need no second question.
    fn may_have_logs(&self, header: &Header) -> bool {
        let bloom = header.logs_bloom();
        self.addresses()
            .iter()
            .any(|address| bloom.contains_input(alloy::primitives::BloomInput::Raw(address.as_slice())))
    }

    async fn logs(&self, header: &Header) -> Result<Vec<Log>, L1Error> {
        let filter =
            Filter::new().at_block_hash(header.hash).address(self.addresses()).event_signature(vec![
                TRANSACTION_DEPOSITED_TOPIC,
                CONFIG_UPDATE_TOPIC,
                Inbox::BatchAppended::SIGNATURE_HASH,
            ]);
        match self.inner.provider.get_logs(&filter).await {
            Ok(mut logs) => {
                logs.sort_by_key(|log| log.log_index);
                Ok(logs)
            }
            // Nodes differ in how they say that they do not know a block hash.
            Err(error) if error.is_error_resp() => match self.id(L1BlockNumber(header.number)).await? {
                Some(id) if id.hash == header.hash => Err(rpc("eth_getLogs")(error)),
                _ => Err(L1Error::Reorged(L1BlockNumber(header.number))),
            },
            Err(error) => Err(rpc("eth_getLogs")(error)),
        }
    }

    async fn add(&self, block: &mut L1Block, log: &Log) -> Result<(), L1Error> {
        let contracts = &self.inner.contracts;
        let number = block.header.number;
        let topic = log.topic0().copied().unwrap_or_default();
        let malformed = |what: &str| L1Error::Malformed(format!("{what} in block {number}"));
        if log.address() == contracts.portal && topic == TRANSACTION_DEPOSITED_TOPIC {
            let index = log.log_index.ok_or_else(|| malformed("a log without index"))?;
            let deposit = parse_deposit(&log.inner, block.header.hash, index)
                .map_err(|error| malformed(&format!("a deposit that is not one ({error})")))?;
            block.deposits.push(deposit);
        } else if log.address() == contracts.system_config && topic == CONFIG_UPDATE_TOPIC {
            let update = parse_config_update(&log.inner)
                .map_err(|error| malformed(&format!("a configuration update that is not one ({error})")))?;
            block.config_updates.push(update);
        } else if log.address() == contracts.inbox && topic == Inbox::BatchAppended::SIGNATURE_HASH {
            let Batches::From(blobs) = &self.inner.batches else { return Ok(()) };
            let event = Inbox::BatchAppended::decode_log(&log.inner)
                .map_err(|error| malformed(&format!("a batch event that is not one ({error})")))?
                .data;
            let data = self.submission_data(&block.header, log, &event, blobs).await?;
            block.submissions.push(Submission { poster: event.poster, data });
        }
        Ok(())
    }

    /// The channel's bytes. Data that is there but is not a channel is given as it is, or empty where blobs do
    /// not unpack: derivation drops it. Data that cannot be had is an error.
    async fn submission_data(
        &self,
        block: &L1BlockRef,
        log: &Log,
        event: &Inbox::BatchAppended,
        source: &BlobSource,
    ) -> Result<Bytes, L1Error> {
        let reorged = L1Error::Reorged(block.number);
        let Some(hash) = log.transaction_hash else {
            return Err(L1Error::Malformed("a log without transaction hash".to_owned()));
        };
        let tx = self.inner.provider.get_transaction_by_hash(hash).await;
        let Some(tx) = tx.map_err(rpc("eth_getTransactionByHash"))? else { return Err(reorged) };
        if tx.block_hash() != Some(block.hash) {
            return Err(reorged);
        }
        let uncommitted =
            || L1Error::Malformed(format!("transaction {hash} without the data that its batch commits to"));
        if event.daType != DA_BLOBS {
            let data = calldata(tx.input()).filter(|data| keccak256(data) == event.dataCommitment);
            return data.ok_or_else(uncommitted);
        }
        let versioned_hashes = tx.blob_versioned_hashes().unwrap_or_default();
        if keccak256(versioned_hashes.concat()) != event.dataCommitment {
            return Err(uncommitted());
        }
        let blobs = source.fetch(&BlobTx { block, hash, versioned_hashes }).await?;
        Ok(lockstep_codec::from_blobs(&blobs).map(Bytes::from).unwrap_or_default())
    }
}

/// The argument of `appendBatch(bytes)`, found as Solidity finds it: any offset within the calldata, and
/// anything behind the bytes, is fine. The inbox is called by an account without code, directly, so the
/// transaction's input is its calldata.
fn calldata(input: &[u8]) -> Option<Bytes> {
    let arguments = input.strip_prefix(&Inbox::appendBatchCall::SELECTOR)?;
    let word = |at: usize| -> Option<usize> {
        let word = arguments.get(at..at.checked_add(32)?)?;
        let (high, low) = word.split_first_chunk::<24>()?;
        let low = u64::from_be_bytes(low.try_into().ok()?);
        (*high == [0; 24]).then(|| usize::try_from(low).ok())?
    };
    let offset = word(0)?;
    let length = word(offset)?;
    let start = offset.checked_add(32)?;
    Some(Bytes::copy_from_slice(arguments.get(start..start.checked_add(length)?)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn canonical_calldata_gives_its_argument() {
        for length in [1, 32, 33, 1000] {
            let data = Bytes::from(vec![7; length]);
            let call = Inbox::appendBatchCall { data: data.clone() }.abi_encode();
            assert_eq!(calldata(&call).unwrap(), data);
        }
    }

    #[test]
    fn calldata_with_a_gap_and_a_tail_gives_the_bytes_that_solidity_reads() {
        let mut call = Inbox::appendBatchCall::SELECTOR.to_vec();
        call.extend(alloy::primitives::U256::from(40).to_be_bytes::<32>());
        call.extend([9; 8]);
        call.extend(alloy::primitives::U256::from(3).to_be_bytes::<32>());
        call.extend([1, 2, 3, 4]);
        assert_eq!(calldata(&call).unwrap()[..], [1, 2, 3]);
    }

    #[test]
    fn calldata_that_points_outside_gives_nothing() {
        let good = Inbox::appendBatchCall { data: vec![7; 40].into() }.abi_encode();
        for at in [4, 27, 35, 36, 60, 67] {
            let mut bad = good.clone();
            bad[at] = 0xff;
            assert_eq!(calldata(&bad), None, "{at}");
        }
        for length in 0..good.len() - 24 {
            assert_eq!(calldata(&good[..length]), None);
        }
    }
}
