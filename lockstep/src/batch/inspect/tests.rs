#![allow(clippy::unwrap_used)]

use std::fs;

use alloy::{
    hex,
    primitives::{Address, Bytes},
};
use lockstep_codec::{BatchBlock, Channel, History, Options};
use lockstep_devnet::{TestDatabase, test_database};
use lockstep_index::{
    Index,
    batch::{self, Batch},
    submission::{self, Attempt, DaType, NewSubmission},
};
use lockstep_primitives::{BlockId, L1BlockNumber};
use lockstep_testkit::traffic;
use serde_json::Value;
use tempfile::TempDir;

use super::{source::Found, *};

const TX: B256 = B256::repeat_byte(0x77);
const L1_BLOCK: BlockId = BlockId { number: 40, hash: B256::repeat_byte(0x40) };

/// Three blocks from number 12 on, with every type of transaction and one that is none.
fn channel() -> Channel {
    let mut traffic = traffic::every_type(9).blocks;
    let block = |index: u64, transactions: Vec<Bytes>| BatchBlock {
        timestamp: 1_700_000_000 + index,
        l1_origin_number: L1BlockNumber(100 + index / 2),
        transactions,
    };
    let typed = traffic.pop().unwrap().into_iter().map(|tx| tx.raw).collect();
    Channel {
        first_number: BlockNumber(12),
        parent_hash: B256::repeat_byte(1),
        tip_hash: B256::repeat_byte(2),
        last_origin_hash: B256::repeat_byte(3),
        blocks: vec![
            block(0, Vec::new()),
            block(1, typed),
            block(2, vec![Bytes::from_static(b"no transaction")]),
        ],
    }
}

fn encode(channel: &Channel) -> Result<Vec<u8>, lockstep_codec::EncodeError> {
    lockstep_codec::encode(channel, &[], &History::default(), Options::default())
}

fn view_of(bytes: Vec<u8>) -> eyre::Result<View> {
    View::new(Found { from: "file x".to_owned(), bytes: bytes.into(), posted: None, history: None })
}

#[test]
fn a_target_is_told_by_its_form() {
    let target = |text: &str| text.parse::<Target>();
    assert_eq!(target("7"), Ok(Target::Submission(7)));
    assert_eq!(target("submission:7"), Ok(Target::Submission(7)));
    assert_eq!(target("batch:8"), Ok(Target::Batch(8)));
    assert_eq!(target("block:9"), Ok(Target::Block(BlockNumber(9))));
    assert_eq!(target(&TX.to_string()), Ok(Target::Transaction(TX)));
    assert_eq!(target("./7"), Ok(Target::File("./7".into())));
    assert_eq!(target("channel.bin"), Ok(Target::File("channel.bin".into())));
    assert_eq!(target("block:x"), Err("block:x: x is not a number".to_owned()));
    let no_hash = format!("0x{}", "zz".repeat(32));
    assert_eq!(target(&no_hash), Err(format!("{no_hash} is not the hash of a transaction")));
}

#[tokio::test]
async fn a_file_is_read_as_raw_bytes_and_as_hex() {
    let folder = TempDir::new().unwrap();
    let bytes = encode(&channel()).unwrap();
    let contents =
        [bytes.clone(), hex::encode(&bytes).into(), format!("{}\n", hex::encode_prefixed(&bytes)).into()];
    for (index, content) in contents.into_iter().enumerate() {
        let path = folder.path().join(format!("channel-{index}"));
        fs::write(&path, content).unwrap();
        let found = source::find(&Target::File(path), &Place::default()).await.unwrap();
        assert_eq!(found.bytes, bytes);
    }
}

#[test]
fn a_view_has_every_block_and_sums_that_agree() {
    let (channel, bytes) = (channel(), encode(&channel()).unwrap());
    let view = view_of(bytes.clone()).unwrap();
    assert_eq!((view.first_block, view.last_block, view.transactions), (12, 14, 10));
    let sizes: Vec<_> = view.blocks.iter().map(|block| block.transactions.len()).collect();
    assert_eq!(sizes, [0, 9, 1]);
    let raw: usize = channel.blocks.iter().flat_map(|block| &block.transactions).map(|tx| tx.len()).sum();
    assert_eq!((view.size.raw_bytes, view.size.encoded_bytes), (raw, bytes.len()));
    assert_eq!(view.size.blobs, 1);
    let columns: f64 = view.columns.iter().map(|column| column.bytes).sum();
    assert!((columns - f64::from(u32::try_from(bytes.len()).unwrap())).abs() <= 64.0, "{columns}");
    assert!(view.blocks[1].transactions.iter().all(|tx| tx.decoded.as_ref().unwrap().from.is_some()));
    assert!(view.blocks[2].transactions[0].decoded.is_none());
}

#[test]
fn words_name_what_json_holds() {
    let view = view_of(encode(&channel()).unwrap()).unwrap();
    let words = text::of(&view, true);
    for part in [
        "blocks        12 to 14 (3), 10 transactions",
        "times         2023-11-14T22:13:20Z to 2023-11-14T22:13:22Z",
        "L1 origins    100 to 101",
        "per transaction, ratio 0.",
        "blobs         1, ",
        "column ",
        "14 bytes that are no transaction",
        "to a new contract",
    ] {
        assert!(words.contains(part), "{part} is not in\n{words}");
    }
    assert!(text::of(&view, false).len() < words.len());

    let json: Value = serde_json::to_value(&view).unwrap();
    assert_eq!(json["blocks"][1]["transactions"].as_array().unwrap().len(), 9);
    assert_eq!(json["blocks"][1]["transactions"][8]["type"], 4);
    assert_eq!(json["size"]["encoded_bytes"], view.size.encoded_bytes);
    assert_eq!(json["posted"], Value::Null);
}

#[test]
fn a_channel_without_transactions_has_no_ratio() {
    let empty = Channel { blocks: vec![BatchBlock::default()], ..channel() };
    let view = view_of(encode(&empty).unwrap()).unwrap();
    assert_eq!((view.size.ratio, view.size.encoded_bytes_per_tx), (None, None));
    assert!(text::of(&view, false).contains("0 transactions"));
}

#[test]
fn bytes_that_are_no_channel_are_named() {
    let error = view_of(vec![9, 9, 9]).unwrap_err();
    assert!(crate::one_line(&error).starts_with("file x: 3 bytes are no channel: "), "{error:?}");
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let ask = async |target: &str| {
        let found = source::find(&target.parse().unwrap(), &Place::default()).await;
        crate::one_line(&found.unwrap_err())
    };
    assert!(ask("3").await.contains("give --database-url"));
    assert!(ask(&TX.to_string()).await.contains("give --l1-rpc"));
    assert!(ask("./not-there").await.contains("cannot read ./not-there"));
}

/// A journal with one channel in it.
struct Journal {
    database: TestDatabase,
    index: Index,
    id: i64,
}

impl Journal {
    async fn new() -> Self {
        let database = test_database().await.unwrap();
        let index = Index::connect(database.url()).await.unwrap();
        index.migrate().await.unwrap();
        let channel = channel();
        let submission = NewSubmission {
            first_block: channel.first_number,
            last_block: channel.last_number(),
            tip_hash: channel.tip_hash,
            data: encode(&channel).unwrap().into(),
            da_type: DaType::Blobs,
        };
        let id = submission::insert(index.pool(), &submission).await.unwrap();
        Self { database, index, id }
    }

    /// Records that it is in L1 block 40 as batch 5.
    async fn post(&self) {
        let attempt = Attempt { nonce: 0, tx_hash: TX, raw: Bytes::from_static(b"signed") };
        submission::prepare(self.index.pool(), self.id, Address::ZERO, &attempt).await.unwrap();
        submission::posted(self.index.pool(), self.id, TX, L1_BLOCK).await.unwrap();
        let batch = Batch {
            index: 5,
            batch_hash: B256::repeat_byte(5),
            l1_block: L1_BLOCK,
            l1_tx_hash: TX,
            da_type: DaType::Blobs,
            first_block: BlockNumber(12),
            last_block: BlockNumber(14),
        };
        batch::insert(self.index.pool(), &batch).await.unwrap();
    }

    async fn find(&self, target: &str) -> eyre::Result<Found> {
        let place = Place { database_url: Some(self.database.url().into()), ..Place::default() };
        source::find(&target.parse().unwrap(), &place).await
    }

    async fn refusal(&self, target: &str) -> String {
        crate::one_line(&self.find(target).await.unwrap_err())
    }
}

#[tokio::test]
async fn a_channel_in_the_journal_is_found_by_id_index_and_block() {
    let journal = Journal::new().await;
    let sealed = journal.find(&journal.id.to_string()).await.unwrap();
    assert_eq!(sealed.from, format!("submission {}, sealed", journal.id));
    assert_eq!(sealed.bytes[..], encode(&channel()).unwrap());

    journal.post().await;
    for target in
        [format!("submission:{}", journal.id), "batch:5".into(), "block:12".into(), "block:14".into()]
    {
        let found = journal.find(&target).await.unwrap();
        assert_eq!(found.from, format!("submission {}, batch 5 of the inbox", journal.id), "{target}");
        assert_eq!(found.bytes, sealed.bytes);
    }
    assert_eq!(journal.refusal("99").await, "the database holds no submission 99");
    assert_eq!(journal.refusal("batch:6").await, "the database holds no batch 6");
    assert_eq!(journal.refusal("block:15").await, "the database holds no batch with block 15");
}

#[tokio::test]
async fn bytes_that_the_journal_dropped_are_asked_of_l1() {
    let journal = Journal::new().await;
    journal.post().await;
    submission::finalized(journal.index.pool(), journal.id).await.unwrap();
    let refused = journal.refusal("block:13").await;
    assert!(refused.contains("batch 5 of the inbox: give --l1-rpc"), "{refused}");
}
