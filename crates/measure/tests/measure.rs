//! Loads from text, and what is measured of them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use alloy_primitives::{Bytes, hex};
use lockstep_measure::{InputError, Load, LoadError, Measurement, Timing};
use lockstep_testkit::traffic::{self, Asset, Recipients, SignedTx, Traffic};

fn text(traffic: &Traffic) -> String {
    let block = |block: &Vec<SignedTx>| {
        let lines: String = block.iter().map(|tx| format!("{}\n", tx.raw)).collect();
        lines + "\n"
    };
    traffic.blocks.iter().map(block).collect()
}

fn read(text: impl AsRef<[u8]>) -> Result<Load, InputError> {
    Load::read("some.hex", text.as_ref())
}

fn measure(load: &Load) -> Vec<Measurement> {
    lockstep_measure::measure(load, Timing::ONCE).unwrap()
}

/// A transaction in hex, to make lines of.
fn transfer() -> String {
    traffic::transfers(Asset::Eth, Recipients::New, 1, 5).blocks[0][0].raw.to_string()
}

fn refusal(text: impl AsRef<[u8]>) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn text_gives_the_blocks_that_it_was_made_of() {
    let traffic = traffic::every_type(2);
    let load = read(text(&traffic)).unwrap();
    assert_eq!((load.blocks(), load.chain_id()), (traffic.blocks.len(), traffic::CHAIN_ID));
    let channel = load.channel(0, load.blocks());
    for (index, block) in traffic.blocks.iter().enumerate() {
        let raws: Vec<Bytes> = block.iter().map(|tx| tx.raw.clone()).collect();
        let senders: Vec<_> = block.iter().map(|tx| tx.sender).collect();
        assert_eq!(channel.blocks[index].transactions, raws);
        assert_eq!(load.senders(index, 1), senders);
    }
}

#[test]
fn zstd_is_read_as_the_text_in_it() {
    let text = text(&traffic::every_type(3));
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    assert_eq!(read(packed).unwrap().channel(0, 3), read(text).unwrap().channel(0, 3));
}

#[test]
fn a_blank_line_ends_a_block_and_two_make_an_empty_one() {
    let tx = transfer();
    let sizes = |text: String| -> Vec<usize> {
        let load = read(text).unwrap();
        load.channel(0, load.blocks()).blocks.iter().map(|block| block.transactions.len()).collect()
    };
    assert_eq!(sizes(tx.clone()), [1]);
    assert_eq!(sizes(format!("{tx}\n{tx}\n\n")), [2]);
    assert_eq!(sizes(format!("\n{tx}\r\n\r\n\r\n  {tx}\n")), [0, 1, 0, 1]);
}

#[test]
fn a_bad_line_is_named_with_what_is_wrong() {
    let good = transfer();
    let at_third = |line: &str| refusal(format!("{good}\n\n{line}\n{good}\n"));
    assert_eq!(at_third("02f8"), "some.hex:3: not hexadecimal: no 0x in front");
    assert!(at_third("0x02f").starts_with("some.hex:3: not hexadecimal: "));
    assert!(at_third("0x02zz").starts_with("some.hex:3: not hexadecimal: "));
    assert!(at_third("0x02f8").starts_with("some.hex:3: not a signed EIP-2718 transaction: "));
    assert!(at_third("0x").starts_with("some.hex:3: not a signed EIP-2718 transaction: "));
    assert!(at_third(&format!("{good}00")).starts_with("some.hex:3: not a signed EIP-2718 transaction: "));
    assert_eq!(
        at_third("0x7ef8"),
        "some.hex:3: a transaction of type 126: batches carry types 0, 1, 2 and 4"
    );
    assert_eq!(at_third("0x03f8"), "some.hex:3: a transaction of type 3: batches carry types 0, 1, 2 and 4");
    assert_eq!(refusal("\n\n"), "some.hex: no transactions");
    assert_eq!(refusal(""), "some.hex: no transactions");
}

#[test]
fn a_transaction_of_another_chain_is_refused() {
    // The example of EIP-155, of chain 1.
    let foreign = hex!(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd9"
        "39bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc6421"
        "4b297fb1966a3b6d83"
    );
    let mut load = read(transfer()).unwrap();
    let refused = load.push_block(vec![foreign.into()]);
    assert_eq!(refused, Err(LoadError::Chain { expected: traffic::CHAIN_ID, found: 1 }));
    assert_eq!(load.blocks(), 1);
}

#[test]
fn a_signature_that_nobody_made_is_measured_too() {
    let mut raw = hex::decode(transfer()).unwrap();
    let end = raw.len();
    raw[end - 65..end - 33].fill(0xff);
    let load = read(hex::encode_prefixed(raw)).unwrap();
    assert!(load.senders(0, 1)[0].is_zero());
}

#[test]
fn every_codec_gives_back_every_type_and_says_what_it_took() {
    let load = read(text(&traffic::every_type(4))).unwrap();
    let measured = measure(&load);
    let names: Vec<_> = measured.iter().map(|measurement| measurement.codec).collect();
    assert_eq!(names, ["lockstep", "span-brotli-10", "span-zlib-9", "rlp-brotli-11", "zstd-19"]);
    for measurement in &measured {
        assert_eq!((measurement.transactions, measurement.channels), (load.transactions(), 1));
        assert!(measurement.bytes < load.raw_bytes(), "{measurement}");
        assert!(!measurement.encode.is_zero() && !measurement.decode.is_zero(), "{measurement}");
    }
    let ours = &measured[0];
    let columns: f64 = ours.columns.iter().map(lockstep_measure::Column::bytes).sum();
    let bytes = f64::from(u32::try_from(ours.bytes).unwrap());
    assert!((columns - bytes).abs() <= 64.0, "columns sum to {columns}, the channel has {bytes}");
}

#[test]
fn a_line_has_the_fields_that_scripts_read() {
    let measured = measure(&read(transfer()).unwrap());
    let line = measured[0].to_string();
    let fields: Vec<_> = line.split(' ').map(|field| field.split('=').next().unwrap()).collect();
    assert_eq!(
        fields,
        ["result", "codec", "txs", "bytes", "bytes_per_tx", "encode_tx_s", "decode_tx_s", "channels", "load"]
    );
}

#[test]
fn totals_are_sums_over_files_by_codec_and_column() {
    let one = measure(&read(transfer()).unwrap());
    let other = measure(&read(text(&traffic::every_type(6))).unwrap());
    let total = Measurement::total("total", &[&one[0], &other[0]]).unwrap();
    assert_eq!(total.bytes, one[0].bytes + other[0].bytes);
    assert_eq!(total.transactions, one[0].transactions + other[0].transactions);
    let bits = |measurement: &Measurement| -> BTreeMap<String, u64> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        measurement.columns.iter().map(|column| (column.name.clone(), column.bits as u64)).collect()
    };
    for (name, sum) in bits(&total) {
        let part = |of: &Measurement| bits(of).get(&name).copied().unwrap_or_default();
        assert!(sum.abs_diff(part(&one[0]) + part(&other[0])) <= 2, "{name}");
    }
    assert!(Measurement::total("nothing", &[]).is_none());
}
