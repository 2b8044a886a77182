//! Channels that come in frames: what is kept from one submission to the next.

use alloc::borrow::Cow;

use alloy_primitives::B256;
use lockstep_codec::{Assembly, Frame, decode_header};
use lockstep_primitives::L1BlockNumber;

use crate::DropReason;

/// The channel whose frames come in, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    assembly: Assembly,
    parent: B256,
    since: L1BlockNumber,
}

impl Frames {
    pub(crate) const fn new() -> Self {
        Self { open: None }
    }

    /// Takes a submission of L1 block `l1` on top of the block `safe`, and gives the channel that is whole with it.
    pub(crate) fn take<'a>(
        &mut self,
        data: &'a [u8],
        safe: B256,
        l1: L1BlockNumber,
    ) -> Result<Option<Cow<'a, [u8]>>, DropReason> {
        let Some(frame) = Frame::decode(data)? else { return Ok(Some(data.into())) };
        if frame.number == 0 {
            let parent = decode_header(frame.data)?.parent_hash;
            if parent != safe {
                return Err(DropReason::Parent { safe, found: parent });
            }
            self.open = Some(Open { assembly: Assembly::begin(&frame)?, parent, since: l1 });
            return Ok(None);
        }
        let Some(open) = self.open.as_mut().filter(|open| open.parent == safe) else {
            return Err(frame.not_next().into());
        };
        if !open.assembly.add(&frame)? {
            return Ok(None);
        }
        let whole = self.open.take().map(|open| open.assembly.finish()).transpose()?;
        Ok(whole.map(Cow::from))
    }

    /// The L1 block with the first frame of the channel that is open on top of the block `safe`.
    pub(crate) fn since(&self, safe: B256) -> Option<L1BlockNumber> {
        self.open.as_ref().filter(|open| open.parent == safe).map(|open| open.since)
    }
}
