//! Any bytes decode to a channel or to an error, as a channel, as a frame and as a blob.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lockstep_codec::{Assembly, Blob, Frame, History, decode, from_blobs};

fuzz_target!(|data: &[u8]| {
    let _ = decode(data, &History::default());
    if let Ok(Some(frame)) = Frame::decode(data)
        && let Ok(mut assembly) = Assembly::begin(&frame)
    {
        let _ = assembly.add(&frame);
        let _ = assembly.finish();
    }
    let mut blob = Blob::ZERO;
    let length = data.len().min(blob.len());
    blob[..length].copy_from_slice(&data[..length]);
    if let Ok(channel) = from_blobs(&[blob]) {
        let _ = decode(&channel, &History::default());
    }
});
