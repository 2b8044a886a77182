//! Where the bytes of a batch come from: a file, Postgres, or L1.

use std::{fs, path::Path};

use alloy::{
    hex,
    primitives::{B256, Bytes},
};
use eyre::{WrapErr, eyre};
use lockstep_codec::{Assembly, Frame, History, decode_header};
use lockstep_index::{
    Index,
    batch::{self, Batch},
    submission::{self, Step, Submission},
};
use lockstep_l1::{L1Reader, PostedBatch};
use lockstep_primitives::{BlockNumber, RollupConfig};

use super::{Place, Target};

/// A batch as it was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Where, in words.
    pub(super) from: String,
    /// The encoded channel.
    pub(super) bytes: Bytes,
    /// How it got onto L1, if it did and an L1 node says so.
    pub(super) posted: Option<PostedBatch>,
    /// The chain before it, if a database was given.
    pub(super) history: Option<History>,
}

/// Finds what `target` names.
///
/// # Errors
/// There is no such batch, a flag is missing, or what was asked does not answer.
pub(super) async fn find(target: &Target, place: &Place) -> eyre::Result<Found> {
    let mut found = match target {
        Target::File(path) => read_file(path)?,
        Target::Transaction(hash) => from_l1(&need_l1(place)?, *hash).await?,
        Target::Submission(_) | Target::Batch(_) | Target::Block(_) => from_database(target, place).await?,
    };
    // Bytes that are no channel are named when they are shown.
    if let (Some(url), Ok(header)) = (&place.database_url, decode_header(&found.bytes)) {
        let index = Index::connect(url.expose()).await.wrap_err("cannot open the database")?;
        found.history = Some(lockstep_batcher::history(&index, header.first_number).await?);
        index.close().await;
    }
    Ok(found)
}

fn read_file(path: &Path) -> eyre::Result<Found> {
    let content = fs::read(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let bytes = hex::decode(content.trim_ascii()).unwrap_or(content);
    Ok(Found { from: format!("file {}", path.display()), bytes: bytes.into(), posted: None, history: None })
}

async fn from_l1(l1: &L1Reader, hash: B256) -> eyre::Result<Found> {
    let posted = posted(l1, hash).await?;
    let bytes = l1.posted_data(&posted).await?;
    Ok(Found { from: format!("L1 transaction {hash}"), bytes, posted: Some(posted), history: None })
}

async fn posted(l1: &L1Reader, hash: B256) -> eyre::Result<PostedBatch> {
    let posted = l1.posted(hash).await?;
    posted.ok_or_else(|| {
        eyre!("L1 transaction {hash} is in no block, or appended no batch to this chain's inbox")
    })
}

/// What Postgres says of a batch.
#[derive(Default)]
struct Stored {
    submission: Option<Submission>,
    batch: Option<Batch>,
    /// The encoded channel, which the journal drops once it is final on L1.
    bytes: Option<Bytes>,
}

async fn from_database(target: &Target, place: &Place) -> eyre::Result<Found> {
    let url = place.database_url.as_ref().ok_or_else(|| {
        eyre!("a submission, batch or block is looked up in Postgres: give --database-url, or name a file or the hash of an L1 transaction")
    })?;
    let index = Index::connect(url.expose()).await.wrap_err("cannot open the database")?;
    let stored = Stored::find(&index, target).await;
    index.close().await;
    let stored = stored?;
    let from = stored.name()?;
    let l1 = place.l1_rpc.as_ref().map(|_| need_l1(place)).transpose()?;
    let posted = match (&l1, stored.tx_hash()) {
        (Some(l1), Some(hash)) => Some(posted(l1, hash).await?),
        _ => None,
    };
    let bytes = match (stored.bytes, &l1, &posted) {
        (Some(bytes), _, _) => bytes,
        (None, Some(l1), Some(posted)) => l1.posted_data(posted).await?,
        (None, None, _) => {
            return Err(eyre!(
                "Postgres no longer keeps the bytes of {from}: give --l1-rpc to read them from L1"
            ));
        }
        (None, Some(_), None) => return Err(eyre!("Postgres knows no L1 transaction of {from}")),
    };
    Ok(Found { from, bytes, posted, history: None })
}

impl Stored {
    async fn find(index: &Index, target: &Target) -> eyre::Result<Self> {
        let pool = index.pool();
        let mut found = Self::default();
        let block = match target {
            Target::Batch(number) => {
                found.batch = batch::by_index(pool, *number).await?;
                found.batch.map(|batch| batch.first_block)
            }
            Target::Block(number) => Some(*number),
            Target::Submission(id) => {
                found.submission = submission::by_id(pool, *id).await?;
                found.submission.as_ref().map(|submission| submission.first_block)
            }
            Target::File(_) | Target::Transaction(_) => None,
        };
        let block = block.ok_or_else(|| eyre!("the database holds no {}", describe(target)))?;
        if found.submission.is_none() {
            found.submission = submission::by_block(pool, block).await?;
        }
        if let Some(submission) = &found.submission {
            found.bytes = Some(submission::data(pool, submission.id).await?).filter(|data| !data.is_empty());
            if found.bytes.as_ref().is_some_and(|data| matches!(Frame::decode(data), Ok(Some(_)))) {
                let frames = submission::data_of_channel(pool, submission.tip_hash).await?;
                found.bytes = Some(assembled(&frames)?);
            }
        }
        if found.batch.is_none() {
            found.batch = batch::by_block(pool, block).await?.filter(|batch| found.is_of(batch));
        }
        if found.submission.is_none() && found.batch.is_none() {
            return Err(eyre!("the database holds no batch with {}", describe(target)));
        }
        Ok(found)
    }

    /// Whether `batch` is what became of the submission, and not of another one with the same blocks.
    fn is_of(&self, batch: &Batch) -> bool {
        self.submission.as_ref().is_none_or(|submission| match submission.step {
            Step::Posted { tx_hash, .. } => tx_hash == batch.l1_tx_hash,
            Step::Final => submission.first_block == batch.first_block,
            Step::Sealed | Step::Prepared | Step::Abandoned => false,
        })
    }

    /// # Errors
    /// Nothing was found.
    fn name(&self) -> eyre::Result<String> {
        match (&self.submission, &self.batch) {
            (Some(submission), Some(batch)) => {
                Ok(format!("submission {}, batch {} of the inbox", submission.id, batch.index))
            }
            (Some(submission), None) => {
                Ok(format!("submission {}, {}", submission.id, step(submission.step)))
            }
            (None, Some(batch)) => Ok(format!("batch {} of the inbox", batch.index)),
            (None, None) => Err(eyre!("the database holds no such batch")),
        }
    }

    fn tx_hash(&self) -> Option<B256> {
        let posted = self.submission.as_ref().and_then(|submission| match submission.step {
            Step::Posted { tx_hash, .. } => Some(tx_hash),
            _ => None,
        });
        posted.or(self.batch.map(|batch| batch.l1_tx_hash))
    }
}

/// The channel whose frames these are.
fn assembled(frames: &[Bytes]) -> eyre::Result<Bytes> {
    let mut assembly: Option<Assembly> = None;
    for data in frames {
        let frame = Frame::decode(data)?.ok_or_else(|| {
            eyre!("Postgres no longer keeps all frames of the channel: inspect its L1 transactions")
        })?;
        match &mut assembly {
            Some(assembly) => drop(assembly.add(&frame)?),
            None => assembly = Some(Assembly::begin(&frame)?),
        }
    }
    let assembly = assembly.ok_or_else(|| eyre!("the channel has no frames"))?;
    Ok(assembly.finish()?.into())
}

const fn step(step: Step) -> &'static str {
    match step {
        Step::Sealed => "sealed",
        Step::Prepared => "prepared",
        Step::Posted { .. } => "posted",
        Step::Final => "final",
        Step::Abandoned => "abandoned",
    }
}

fn describe(target: &Target) -> String {
    match target {
        Target::File(path) => format!("file {}", path.display()),
        Target::Transaction(hash) => format!("transaction {hash}"),
        Target::Submission(id) => format!("submission {id}"),
        Target::Batch(index) => format!("batch {index}"),
        Target::Block(BlockNumber(number)) => format!("block {number}"),
    }
}

/// The L1 that `place` names.
fn need_l1(place: &Place) -> eyre::Result<L1Reader> {
    let rpc =
        place.l1_rpc.as_ref().ok_or_else(|| eyre!("give --l1-rpc, an L1 node to read the batch from"))?;
    let path = place.rollup_config.as_ref();
    let path = path.ok_or_else(|| eyre!("give --rollup-config beside --l1-rpc: it names the inbox"))?;
    let json = fs::read(path).wrap_err_with(|| format!("cannot read {}", path.display()))?;
    let config: RollupConfig = serde_json::from_slice(&json)
        .wrap_err_with(|| format!("{} is not an addresses file of `lockstep deploy`", path.display()))?;
    Ok(L1Reader::new(rpc, place.l1_beacon.as_deref(), &config)?)
}
