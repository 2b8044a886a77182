//! A well-formed frame around any streams: everything behind the lengths is reached at once.
#![no_main]

use libfuzzer_sys::{arbitrary::Arbitrary, fuzz_target};
use lockstep_codec::{History, decode};

#[derive(Arbitrary, Debug)]
struct Streams {
    blocks: u16,
    coded: Vec<u8>,
    raw: Vec<u8>,
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fuzz_target!(|streams: Streams| {
    let mut bytes = [&[1][..], &[0; 96]].concat();
    // Zeros for signatures, addresses and words: raw bytes never decide anything.
    let raw = [&streams.raw[..], &[0; 4_096]].concat();
    for value in [1, usize::from(streams.blocks), streams.coded.len(), 0, 0] {
        varint(&mut bytes, value);
    }
    bytes.extend([0; 4]); // the checksum, which is looked at last
    bytes.extend(streams.coded);
    bytes.extend(raw);
    let _ = decode(&bytes, &History::default());
});
