//! A load as channels that are as full as one codec can make them.

use std::rc::Rc;

use alloy_primitives::Address;
use lockstep_codec::{Channel, MAX_BLOCKS, MAX_BODY_BYTES, MAX_FRAME_BYTES, MAX_TRANSACTIONS};

use crate::{Codec, Load, MeasureError, Unfit};

/// A channel counts as full from this share of [`MAX_FRAME_BYTES`] on: no more blocks are tried.
const FULL_PERCENT: usize = 98;

/// A channel, its bytes, and the codec as it stood when it wrote them.
pub(crate) struct Sealed {
    pub(crate) codec: Rc<dyn Codec>,
    pub(crate) channel: Channel,
    /// Of its transactions, in order.
    pub(crate) senders: Vec<Address>,
    pub(crate) bytes: Vec<u8>,
}

/// The whole of `load` in channels within every limit, split between blocks.
pub(crate) fn split(codec: Box<dyn Codec>, load: &Load) -> Result<Vec<Sealed>, MeasureError> {
    let (mut codec, mut first, mut channels) = (Rc::from(codec), 0, Vec::new());
    while first < load.blocks() {
        let sealed = seal(&codec, load, first)?;
        let count = sealed.channel.blocks.len();
        codec = codec.after(&sealed.channel, &sealed.senders).into();
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
        let senders = load.senders(first, count);
        let fits = best.as_ref().map_or(0, |sealed| sealed.channel.blocks.len());
        let guess = match codec.encode(&channel, &senders) {
            Ok(bytes) if bytes.len() <= MAX_FRAME_BYTES => {
                let full = bytes.len() * 100 >= MAX_FRAME_BYTES * FULL_PERCENT;
                let guess = proportional(count, bytes.len());
                best = Some(Sealed { codec: Rc::clone(codec), channel, senders, bytes });
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
    count * (MAX_FRAME_BYTES * (100 + FULL_PERCENT) / 200) / bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
    use alloy_eips::Encodable2718;
    use alloy_primitives::{Bytes, Signature};
    use lockstep_codec::BatchBlock;

    use super::*;

    /// Writes one byte for each `divisor` bytes of transactions.
    #[derive(Clone, Default)]
    struct Plain {
        divisor: usize,
        limit: Option<usize>,
        tries: Rc<Cell<usize>>,
    }

    impl Codec for Plain {
        fn name(&self) -> &'static str {
            "plain"
        }

        fn encode(&self, channel: &Channel, _senders: &[Address]) -> Result<Vec<u8>, Unfit> {
            self.tries.set(self.tries.get() + 1);
            if self.limit.is_some_and(|limit| channel.blocks.len() > limit) {
                return Err(Unfit::TooLarge);
            }
            let sizes = channel.blocks.iter().flat_map(|block| &block.transactions).map(|tx| tx.len());
            Ok(vec![0; sizes.sum::<usize>() / self.divisor])
        }

        fn decode(&self, _bytes: &[u8]) -> Result<Vec<BatchBlock>, Unfit> {
            Err(Unfit::Failed("never asked".to_owned()))
        }

        fn after(&self, channel: &Channel, senders: &[Address]) -> Box<dyn Codec> {
            assert_eq!(
                channel.blocks.iter().map(|block| block.transactions.len()).sum::<usize>(),
                senders.len()
            );
            Box::new(self.clone())
        }
    }

    /// Blocks of one call with calldata of these lengths.
    fn load(lengths: impl IntoIterator<Item = usize>) -> Load {
        let mut load = Load::new("calls");
        for length in lengths {
            let tx = TxEip1559 { chain_id: 1, input: vec![1; length].into(), ..TxEip1559::default() };
            let raw = TxEnvelope::from(tx.into_signed(Signature::test_signature())).encoded_2718();
            load.push_block(vec![Bytes::from(raw)]).unwrap();
        }
        load
    }

    fn lengths(channels: &[Sealed]) -> Vec<usize> {
        channels.iter().map(|sealed| sealed.channel.blocks.len()).collect()
    }

    #[test]
    fn what_fits_one_channel_is_encoded_once() {
        let codec = Plain { divisor: 1, ..Plain::default() };
        let channels = split(Box::new(codec.clone()), &load([1000; 50])).unwrap();
        assert_eq!(lengths(&channels), [50]);
        assert_eq!(codec.tries.get(), 1);
    }

    #[test]
    fn channels_are_full_but_for_the_last_and_follow_on_each_other() {
        let load = load((0..4000).map(|index| 500 + 700 * (index % 3)));
        let codec = Plain { divisor: 2, ..Plain::default() };
        let channels = split(Box::new(codec.clone()), &load).unwrap();
        assert_eq!(lengths(&channels).iter().sum::<usize>(), load.blocks());
        assert_eq!(channels.len(), 4);
        let mut next = load.channel(0, 1).first_number.0;
        for (index, sealed) in channels.iter().enumerate() {
            assert_eq!(sealed.channel.first_number.0, next);
            next = sealed.channel.last_number().0 + 1;
            assert!(sealed.bytes.len() <= MAX_FRAME_BYTES);
            let full = sealed.bytes.len() * 100 >= MAX_FRAME_BYTES * FULL_PERCENT;
            assert!(full || index + 1 == channels.len(), "channel {index} has {} bytes", sealed.bytes.len());
        }
        assert!(codec.tries.get() <= 12, "{} encodings", codec.tries.get());
    }

    #[test]
    fn a_limit_that_the_codec_has_itself_is_found() {
        let codec = Plain { divisor: 1, limit: Some(7), ..Plain::default() };
        assert_eq!(lengths(&split(Box::new(codec), &load([100; 24])).unwrap()), [7, 7, 7, 3]);
    }

    #[test]
    fn blocks_that_are_nearly_a_channel_each_stay_alone() {
        let codec = Plain { divisor: 1, ..Plain::default() };
        assert_eq!(
            lengths(&split(Box::new(codec), &load([MAX_FRAME_BYTES * 6 / 10; 3])).unwrap()),
            [1, 1, 1]
        );
    }

    #[test]
    fn a_block_that_no_channel_holds_is_an_error() {
        let codec = Plain { divisor: 1, ..Plain::default() };
        let refused = split(Box::new(codec), &load([10, MAX_FRAME_BYTES])).err().unwrap().to_string();
        assert_eq!(refused, "plain does not encode it: block 1 alone exceeds a channel");
    }
}
