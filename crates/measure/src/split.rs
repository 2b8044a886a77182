//! A load as channels that are as full as one codec can make them.

use std::rc::Rc;

use lockstep_codec::{Channel, MAX_BLOCKS, MAX_BODY_BYTES, MAX_CHANNEL_BYTES, MAX_TRANSACTIONS};

use crate::{Codec, Load, MeasureError, Unfit};

/// A channel counts as full from this share of [`MAX_CHANNEL_BYTES`] on: no more blocks are tried.
const FULL_PERCENT: usize = 98;

/// A channel, its bytes, and the codec as it stood when it wrote them.
pub(crate) struct Sealed {
    pub(crate) codec: Rc<dyn Codec>,
    pub(crate) channel: Channel,
    pub(crate) bytes: Vec<u8>,
}

/// The whole of `load` in channels within every limit, split between blocks.
pub(crate) fn split(codec: Box<dyn Codec>, load: &Load) -> Result<Vec<Sealed>, MeasureError> {
    let (mut codec, mut first, mut channels) = (Rc::from(codec), 0, Vec::new());
    while first < load.blocks() {
        let sealed = seal(&codec, load, first)?;
        let count = sealed.channel.blocks.len();
        codec = codec.after(&sealed.channel, load.senders(first, count)).into();
        first += count;
        channels.push(sealed);
    }
    Ok(channels)
}

/// The blocks from `first` on that fill a channel, searched between what fits and what does not.
fn seal(codec: &Rc<dyn Codec>, load: &Load, first: usize) -> Result<Sealed, MeasureError> {
    let mut count = load.at_most(first, MAX_BLOCKS, MAX_TRANSACTIONS, MAX_BODY_BYTES);
    let (mut best, mut too_many) = (None::<Sealed>, count + 1);
    loop {
        let channel = load.channel(first, count);
        let fits = best.as_ref().map_or(0, |sealed| sealed.channel.blocks.len());
        let guess = match codec.encode(&channel) {
            Ok(bytes) if bytes.len() <= MAX_CHANNEL_BYTES => {
                let full = bytes.len() * 100 >= MAX_CHANNEL_BYTES * FULL_PERCENT;
                let guess = proportional(count, bytes.len());
                best = Some(Sealed { codec: Rc::clone(codec), channel, bytes });
                if full || count + 1 == too_many {
                    break;
                }
                guess
            }
            Ok(bytes) => {
                too_many = count;
                proportional(count, bytes.len())
            }
            Err(Unfit::TooLarge) => {
                too_many = count;
                fits.midpoint(too_many)
            }
            Err(Unfit::Failed(reason)) => return Err(MeasureError::failed(codec.name(), reason)),
        };
        let fits = best.as_ref().map_or(0, |sealed| sealed.channel.blocks.len());
        if fits + 1 == too_many {
            break;
        }
        count = guess.clamp(fits + 1, too_many - 1);
    }
    best.ok_or_else(|| MeasureError::failed(codec.name(), format!("block {first} alone exceeds a channel")))
}

/// How many blocks fill a channel if all are as dense as these, and a little less.
const fn proportional(count: usize, bytes: usize) -> usize {
    count * (MAX_CHANNEL_BYTES * (100 + FULL_PERCENT) / 200) / bytes
}
