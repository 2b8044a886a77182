//! Where blobs are read back from: a beacon node, or anvil.

use alloy::{
    eips::eip4844::Blob,
    primitives::{B256, Bytes},
    providers::{Provider, RootProvider},
    transports::http::reqwest,
};
use lockstep_primitives::{L1BlockNumber, L1BlockRef};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

use crate::{L1Error, client, error::rpc, kzg};

/// Largest answer of a beacon node that is read: every blob of a block in hex, with room to grow.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A transaction whose blobs are wanted.
pub(crate) struct BlobTx<'a> {
    /// The block that it stands in.
    pub(crate) block: &'a L1BlockRef,
    /// Its hash.
    pub(crate) hash: B256,
    /// The blobs it commits to, in order.
    pub(crate) versioned_hashes: &'a [B256],
}

#[derive(Debug)]
pub(crate) enum BlobSource {
    /// `GET /eth/v1/beacon/blobs/{slot}`.
    Beacon(Box<Beacon>),
    /// `anvil_getBlobsByTransactionHash`.
    Anvil(RootProvider),
}

impl BlobSource {
    pub(crate) fn beacon(url: &str) -> Result<Self, L1Error> {
        let base = url.trim_end_matches('/').to_owned();
        reqwest::Url::parse(&base).map_err(|error| L1Error::Url(error.to_string()))?;
        let http = client::http_client().map_err(|error| L1Error::Url(error.to_string()))?;
        Ok(Self::Beacon(Box::new(Beacon { base, http, clock: OnceCell::new() })))
    }

    /// The blobs of `tx` in order, each proven to be the one that the transaction commits to.
    pub(crate) async fn fetch(&self, tx: &BlobTx<'_>) -> Result<Vec<Blob>, L1Error> {
        let served = match self {
            Self::Beacon(beacon) => beacon.blobs(tx).await?,
            Self::Anvil(provider) => anvil_blobs(provider, tx).await?,
        };
        let (hashes, block) = (tx.versioned_hashes.to_vec(), tx.block.number);
        tokio::task::spawn_blocking(move || select(&hashes, block, served))
            .await
            .map_err(|error| L1Error::Kzg(error.to_string()))?
    }
}

/// Picks the blobs with `hashes` from what was served, in the order of `hashes`.
fn select(hashes: &[B256], block: L1BlockNumber, mut served: Vec<Blob>) -> Result<Vec<Blob>, L1Error> {
    let mut served_hashes = kzg::versioned_hashes(&served)?;
    hashes
        .iter()
        .map(|expected| {
            let position = served_hashes
                .iter()
                .position(|hash| hash == expected)
                .ok_or(L1Error::BlobMismatch { block, expected: *expected })?;
            // A hash may be named twice and served once.
            if hashes.iter().filter(|hash| *hash == expected).count() > 1 {
                return Ok(served[position]);
            }
            served_hashes.swap_remove(position);
            Ok(served.swap_remove(position))
        })
        .collect()
}

async fn anvil_blobs(provider: &RootProvider, tx: &BlobTx<'_>) -> Result<Vec<Blob>, L1Error> {
    let blobs: Option<Vec<Bytes>> = provider
        .raw_request("anvil_getBlobsByTransactionHash".into(), (tx.hash,))
        .await
        .map_err(|error| match error.as_error_resp() {
            Some(answer) if answer.code == METHOD_NOT_FOUND => {
                L1Error::NoBlobSource(answer.message.to_string())
            }
            _ => rpc("anvil_getBlobsByTransactionHash")(error),
        })?;
    let blobs = blobs.ok_or(L1Error::BlobsGone(tx.block.number))?;
    blobs.iter().map(|bytes| to_blob(bytes)).collect()
}

const METHOD_NOT_FOUND: i64 = -32_601;

fn to_blob(bytes: &[u8]) -> Result<Blob, L1Error> {
    Blob::try_from(bytes).map_err(|_| L1Error::Malformed(format!("a blob of {} bytes", bytes.len())))
}

/// A beacon node (Beacon API `getGenesis`, `getSpec`, `getBlobs`).
#[derive(Debug)]
pub(crate) struct Beacon {
    base: String,
    http: reqwest::Client,
    clock: OnceCell<Clock>,
}

/// What turns a time into a slot.
#[derive(Clone, Copy, Debug)]
struct Clock {
    genesis_time: u64,
    seconds_per_slot: u64,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

#[derive(Deserialize)]
struct Genesis {
    genesis_time: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "SECONDS_PER_SLOT")]
    seconds_per_slot: String,
}

impl Beacon {
    async fn blobs(&self, tx: &BlobTx<'_>) -> Result<Vec<Blob>, L1Error> {
        let clock = self.clock.get_or_try_init(|| self.read_clock()).await?;
        let slot = clock.slot(tx.block.timestamp);
        let hashes: Vec<String> = tx.versioned_hashes.iter().map(B256::to_string).collect();
        let path = format!("/eth/v1/beacon/blobs/{slot}?versioned_hashes={}", hashes.join(","));
        let blobs: Option<Vec<Bytes>> = self.get(&path).await?;
        let blobs = blobs.ok_or(L1Error::BlobsGone(tx.block.number))?;
        blobs.iter().map(|bytes| to_blob(bytes)).collect()
    }

    async fn read_clock(&self) -> Result<Clock, L1Error> {
        let genesis: Option<Genesis> = self.get("/eth/v1/beacon/genesis").await?;
        let genesis = genesis.ok_or_else(|| L1Error::Beacon("no genesis".to_owned()))?;
        let spec: Option<Spec> = self.get("/eth/v1/config/spec").await?;
        let number =
            |text: &str| text.parse::<u64>().map_err(|_| L1Error::Beacon(format!("{text} is not a number")));
        let seconds_per_slot = match spec {
            Some(spec) => number(&spec.seconds_per_slot)?,
            None => DEFAULT_SECONDS_PER_SLOT,
        };
        if seconds_per_slot == 0 {
            return Err(L1Error::Beacon("slots of zero seconds".to_owned()));
        }
        Ok(Clock { genesis_time: number(&genesis.genesis_time)?, seconds_per_slot })
    }

    /// `None` for 404.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, L1Error> {
        let failed = |error: reqwest::Error| L1Error::Beacon(error.without_url().to_string());
        let mut answer = self.http.get(format!("{}{path}", self.base)).send().await.map_err(failed)?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(L1Error::Beacon(format!("{path} answered {}", answer.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(L1Error::Beacon(format!("{path} answered more than {MAX_ANSWER_BYTES} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        let data: Data<T> =
            serde_json::from_slice(&body).map_err(|error| L1Error::Beacon(format!("{path}: {error}")))?;
        Ok(Some(data.data))
    }
}

/// Ethereum's, for a node that does not tell.
const DEFAULT_SECONDS_PER_SLOT: u64 = 12;

impl Clock {
    const fn slot(&self, timestamp: u64) -> u64 {
        timestamp.saturating_sub(self.genesis_time) / self.seconds_per_slot
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const BLOCK: L1BlockNumber = L1BlockNumber(7);

    fn blobs() -> (Vec<Blob>, Vec<B256>) {
        let blobs: Vec<Blob> = [1u8, 2, 3]
            .map(|byte| {
                let mut blob = Blob::ZERO;
                blob[1] = byte;
                blob
            })
            .into();
        let hashes = kzg::versioned_hashes(&blobs).unwrap();
        (blobs, hashes)
    }

    #[test]
    fn blobs_come_in_the_order_of_the_transaction_whatever_the_order_served() {
        let (blobs, hashes) = blobs();
        let served = vec![blobs[2], blobs[0], blobs[1]];
        assert_eq!(select(&hashes, BLOCK, served).unwrap(), blobs);
        let twice = [hashes[1], hashes[1]];
        assert_eq!(select(&twice, BLOCK, vec![blobs[1]]).unwrap(), [blobs[1], blobs[1]]);
    }

    #[test]
    fn a_blob_that_is_not_the_committed_one_is_refused() {
        let (mut blobs, hashes) = blobs();
        blobs[1][2] ^= 1;
        let refused = select(&hashes, BLOCK, blobs);
        assert!(matches!(refused, Err(L1Error::BlobMismatch { expected, .. }) if expected == hashes[1]));
    }

    /// A beacon node that serves `blobs` at slot 2, genesis at second 100, and nothing else.
    async fn beacon_node(blobs: Vec<Blob>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0u8; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let (status, body) = if request.starts_with("GET /eth/v1/beacon/genesis ") {
                    (200, serde_json::json!({"data": {"genesis_time": "100"}}))
                } else if request.starts_with("GET /eth/v1/config/spec ") {
                    (200, serde_json::json!({"data": {"SECONDS_PER_SLOT": "12"}}))
                } else if request.starts_with("GET /eth/v1/beacon/blobs/2?versioned_hashes=0x01") {
                    (200, serde_json::json!({"data": blobs}))
                } else {
                    (404, serde_json::json!({"message": "not found"}))
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status} OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.write_all(body.as_bytes()).await.unwrap();
            }
        });
        url
    }

    #[tokio::test]
    async fn a_beacon_node_is_asked_for_the_slot_of_the_block() {
        let (blobs, hashes) = blobs();
        let source = BlobSource::beacon(&beacon_node(blobs.clone()).await).unwrap();
        let at = |timestamp| L1BlockRef { number: BLOCK, timestamp, ..L1BlockRef::default() };
        let (here, elsewhere) = (at(124), at(136));
        let tx = |block| BlobTx { block, hash: B256::ZERO, versioned_hashes: &hashes };
        assert_eq!(source.fetch(&tx(&here)).await.unwrap(), blobs);
        assert!(matches!(source.fetch(&tx(&elsewhere)).await, Err(L1Error::BlobsGone(BLOCK))));
    }

    #[test]
    fn a_slot_is_counted_from_genesis() {
        let mainnet = Clock { genesis_time: 1_606_824_023, seconds_per_slot: 12 };
        assert_eq!(mainnet.slot(1_606_824_023), 0);
        assert_eq!(mainnet.slot(1_710_338_135), 8_626_176); // the first slot of Dencun
    }
}
