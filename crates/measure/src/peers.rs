//! Codecs that others use.

use alloy_primitives::Address;
use alloy_rlp::{Decodable, Encodable};
use lockstep_codec::{BatchBlock, Channel};

use crate::{Codec, Unfit, load::GENESIS_TIME, packer::Packer, plain, span};

/// First byte of a channel in brotli (OP specification, Fjord); zlib streams need none.
const BROTLI_CHANNEL: u8 = 1;

/// A layout of transactions, compressed.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    name: &'static str,
    layout: Layout,
    packer: Packer,
}

#[derive(Clone, Copy, Debug)]
enum Layout {
    /// OP's span batch of a chain, as an RLP string in a channel.
    Span { chain_id: u64 },
    /// An RLP list of blocks.
    Plain,
}

impl Peer {
    /// Everybody we compare with, for transactions of chain `chain_id`.
    #[must_use]
    pub const fn all(chain_id: u64) -> [Self; 4] {
        let span = Layout::Span { chain_id };
        [
            Self { name: "span-brotli-10", layout: span, packer: Packer::Brotli(10) },
            Self { name: "span-zlib-9", layout: span, packer: Packer::Zlib(9) },
            Self { name: "rlp-brotli-11", layout: Layout::Plain, packer: Packer::Brotli(11) },
            Self { name: "zstd-19", layout: Layout::Plain, packer: Packer::Zstd(19) },
        ]
    }

    /// What this channel begins with before it is compressed data.
    const fn version(&self) -> Option<u8> {
        match (self.layout, self.packer) {
            (Layout::Span { .. }, Packer::Brotli(_)) => Some(BROTLI_CHANNEL),
            _ => None,
        }
    }

    fn lay_out(&self, channel: &Channel) -> Result<Vec<u8>, Unfit> {
        match self.layout {
            Layout::Plain => Ok(plain::encode(&channel.blocks)),
            Layout::Span { .. } => {
                let batch = span::encode(channel, GENESIS_TIME).map_err(Unfit::failed)?;
                let mut out = Vec::with_capacity(batch.len() + 8);
                batch.as_slice().encode(&mut out);
                Ok(out)
            }
        }
    }

    fn read(&self, mut bytes: &[u8]) -> Result<Vec<BatchBlock>, Unfit> {
        match self.layout {
            Layout::Plain => plain::decode(bytes).map_err(Unfit::failed),
            Layout::Span { chain_id } => {
                let batch = alloy_primitives::Bytes::decode(&mut bytes).map_err(Unfit::failed)?;
                span::decode(&batch, GENESIS_TIME, chain_id).map_err(Unfit::failed)
            }
        }
    }
}

impl Codec for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn encode(&self, channel: &Channel, _senders: &[Address]) -> Result<Vec<u8>, Unfit> {
        let packed = self.packer.pack(&self.lay_out(channel)?).map_err(Unfit::failed)?;
        Ok(self.version().into_iter().chain(packed).collect())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<BatchBlock>, Unfit> {
        let packed = &bytes[usize::from(self.version().is_some()).min(bytes.len())..];
        self.read(&self.packer.unpack(packed).map_err(Unfit::failed)?)
    }

    fn after(&self, _channel: &Channel, _senders: &[Address]) -> Box<dyn Codec> {
        Box::new(*self)
    }
}
