//! The state machine: L1 blocks in, inputs of L2 blocks out.

use alloc::{boxed::Box, vec, vec::Vec};
use core::mem;

use alloy_primitives::B256;
use lockstep_codec::{BatchBlock, Channel, DecodeError, FrameError, History, decode, decode_header};
use lockstep_primitives::{
    BlockId, BlockInputs, BlockNumber, Genesis, L1BlockNumber, L2BlockRef, RollupConfig, SystemConfig,
};
use serde::{Deserialize, Serialize};

use crate::{
    BlockError, L1Block, PushError, Submission, block_inputs,
    context::L1Window,
    frames::Frames,
    rules::{Origin, Rules},
};

/// A point to resume from: everything up to L1 block `l1` is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last L1 block that is fully processed.
    pub l1: BlockId,
    /// The L2 block that it led to.
    pub safe_head: L2BlockRef,
    /// The configuration as of the safe head's L1 origin.
    pub system: SystemConfig,
    /// The L1 block with the first frame of a channel that is not whole yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames_since: Option<L1BlockNumber>,
}

impl Checkpoint {
    /// The start of the chain.
    #[must_use]
    pub const fn genesis(config: &RollupConfig, genesis: &Genesis) -> Self {
        Self {
            l1: config.genesis.l1,
            safe_head: genesis.block_ref(config),
            system: config.chain.system,
            frames_since: None,
        }
    }

    /// The first L1 block to push when resuming here: the origin of the safe head.
    #[must_use]
    pub const fn first_l1(&self) -> L1BlockNumber {
        L1BlockNumber(self.safe_head.l1_origin.number)
    }
}

/// The inputs of the next L2 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// What to execute.
    pub inputs: BlockInputs,
    /// The L1 block that the block follows from.
    pub l1_inclusion: BlockId,
    /// Whether L1 forced the block, without the sequencer.
    pub forced: bool,
    /// The hash that the sequencer claims, where this is the last block of a channel.
    pub claimed_hash: Option<B256>,
}

/// A frame, a channel, or the rest of one, that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The L1 block that holds it.
    pub l1_inclusion: BlockId,
    /// Its index among that block's submissions.
    pub submission: usize,
    /// Blocks of it that were derived before.
    pub derived: usize,
    /// Why.
    pub reason: DropReason,
}

/// Why a frame, a channel, or the rest of one, is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// The bytes are no channel.
    #[error("does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// The bytes are no frame, or none that continues a channel.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It does not continue the safe chain.
    #[error("its parent {found} is not the safe head {safe}")]
    Parent {
        /// Hash of the safe head.
        safe: B256,
        /// Hash of the channel's parent.
        found: B256,
    },
    /// It does not continue the safe chain's numbers.
    #[error("it begins at block {found}, not {expected}")]
    Number {
        /// The safe head's number plus one.
        expected: BlockNumber,
        /// Number of the channel's first block.
        found: BlockNumber,
    },
    /// It was built on another L1 fork, or on L1 blocks that are not before it.
    #[error("its last L1 origin {} {} is not canonical", .0.number, .0.hash)]
    Origin(BlockId),
    /// One of its blocks breaks a rule.
    #[error("block {number}: {error}")]
    Block {
        /// Number of that block.
        number: BlockNumber,
        /// The rule.
        error: BlockError,
    },
}

/// What [`Derivation::next`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Execute this block, then ask again with it as the safe head.
    Derived(Box<Derived>),
    /// Something was left out; tell the operator, then ask again.
    Dropped(Dropped),
    /// One more L1 block is fully processed.
    Processed(Checkpoint),
    /// Push the L1 block with this number, then ask again.
    NeedL1(L1BlockNumber),
}

/// Derives L2 blocks from L1 blocks. Holds no more of L1 than from the safe head's origin on.
#[derive(Clone, Debug)]
pub struct Derivation {
    config: RollupConfig,
    window: L1Window,
    /// As of the safe head's origin, `system_at`.
    system: SystemConfig,
    system_at: L1BlockNumber,
    processed: L1BlockNumber,
    frames: Frames,
    /// L1 block up to `processed` whose frames are to be taken again, after a resumption.
    retake: Option<L1BlockNumber>,
    work: Option<Work>,
}

/// The L1 block being processed.
#[derive(Clone, Debug)]
struct Work {
    l1: BlockId,
    submissions: vec::IntoIter<Submission>,
    opened: usize,
    channel: Option<OpenChannel>,
}

/// A channel that continued the safe chain, minus the blocks derived already.
#[derive(Clone, Debug)]
struct OpenChannel {
    blocks: vec::IntoIter<BatchBlock>,
    derived: usize,
    tip_hash: B256,
}

impl Derivation {
    /// Resumes at `checkpoint`. The first L1 block to push is [`Checkpoint::first_l1`]; blocks up to
    /// `checkpoint.l1` give context only.
    #[must_use]
    pub const fn new(config: RollupConfig, checkpoint: &Checkpoint) -> Self {
        Self {
            config,
            window: L1Window::new(checkpoint),
            system: checkpoint.system,
            system_at: checkpoint.first_l1(),
            processed: L1BlockNumber(checkpoint.l1.number),
            frames: Frames::new(),
            retake: checkpoint.frames_since,
            work: None,
        }
    }

    /// The number of the L1 block to push next.
    #[must_use]
    pub fn next_l1(&self) -> L1BlockNumber {
        self.window.next_number()
    }

    /// Adds the next L1 block.
    ///
    /// # Errors
    /// [`PushError::Reorg`] if it is not the child of the one before it, or not the block that the checkpoint
    /// names: resume from an older checkpoint. Nothing has changed then.
    pub fn push(&mut self, block: L1Block) -> Result<(), PushError> {
        self.window.push(block)
    }

    /// The next step on top of `safe`: the last derived block, or the checkpoint's safe head. `history` is that of the
    /// chain up to and including it.
    pub fn next(&mut self, safe: &L2BlockRef, history: &History) -> Step {
        self.follow(safe);
        self.retake_frames(safe);
        loop {
            let Some(work) = &mut self.work else {
                match self.begin() {
                    Some(work) => self.work = Some(work),
                    None => return Step::NeedL1(self.next_l1()),
                }
                continue;
            };
            if work.channel.is_some() {
                if let Some(step) = self.next_block(safe) {
                    return step;
                }
            } else if let Some(submission) = work.submissions.next() {
                if let Some(dropped) = self.open(safe, history, &submission) {
                    return Step::Dropped(dropped);
                }
            } else {
                return self.forced(safe).unwrap_or_else(|| self.finish(safe));
            }
        }
    }

    /// Moves configuration and window up to the safe head's origin.
    fn follow(&mut self, safe: &L2BlockRef) {
        let origin = L1BlockNumber(safe.l1_origin.number);
        self.system = self.window.updated(self.system, self.system_at, origin);
        self.system_at = origin;
        self.window.forget_below(origin);
    }

    /// Takes again what was gathered when the checkpoint was made. What was dropped then was told then.
    fn retake_frames(&mut self, safe: &L2BlockRef) {
        while let Some(number) = self.retake.filter(|number| *number <= self.processed) {
            let Some(block) = self.window.get(number) else { return };
            for submission in &block.submissions {
                let _ = self.frames.take(&submission.data, safe.hash, number);
            }
            self.retake = Some(number.next());
        }
    }

    fn begin(&mut self) -> Option<Work> {
        let block = self.window.get_mut(self.processed.next())?;
        let submissions = mem::take(&mut block.submissions).into_iter();
        Some(Work { l1: block.header.id(), submissions, opened: 0, channel: None })
    }

    fn finish(&mut self, safe: &L2BlockRef) -> Step {
        let l1 = self.work.take().map_or_else(BlockId::default, |work| work.l1);
        self.processed = L1BlockNumber(l1.number);
        let frames_since = self.frames.since(safe.hash);
        Step::Processed(Checkpoint { l1, safe_head: *safe, system: self.system, frames_since })
    }

    /// Opens the channel that a submission is or makes whole, if it continues the safe chain.
    fn open(&mut self, safe: &L2BlockRef, history: &History, submission: &Submission) -> Option<Dropped> {
        let l1 = L1BlockNumber(self.work.as_ref()?.l1.number);
        let whole = self.frames.take(&submission.data, safe.hash, l1);
        let channel = whole
            .and_then(|whole| whole.map(|channel| self.continuation(safe, history, &channel)).transpose());
        let work = self.work.as_mut()?;
        work.opened += 1;
        match channel {
            Ok(None) => None, // more frames are to come
            Ok(Some(Channel { blocks, tip_hash, .. })) => {
                work.channel = Some(OpenChannel { blocks: blocks.into_iter(), derived: 0, tip_hash });
                None
            }
            Err(reason) => Some(work.dropped(0, reason)),
        }
    }

    fn continuation(&self, safe: &L2BlockRef, history: &History, data: &[u8]) -> Result<Channel, DropReason> {
        // First of all: a channel on another block refers to another history.
        let parent = decode_header(data)?.parent_hash;
        if parent != safe.hash {
            return Err(DropReason::Parent { safe: safe.hash, found: parent });
        }
        let channel = decode(data, history)?;
        let expected = safe.number.next();
        if channel.first_number != expected {
            return Err(DropReason::Number { expected, found: channel.first_number });
        }
        let number = channel.last_origin_number().unwrap_or_default();
        let canonical = self.window.get(number).map(|block| block.header.hash);
        let before = number <= self.processed;
        if !before || canonical != Some(channel.last_origin_hash) {
            return Err(DropReason::Origin(BlockId { number: number.0, hash: channel.last_origin_hash }));
        }
        Ok(channel)
    }

    /// The next block of the open channel; `None` when it is used up.
    fn next_block(&mut self, safe: &L2BlockRef) -> Option<Step> {
        let work = self.work.as_mut()?;
        let channel = work.channel.as_mut()?;
        let Some(block) = channel.blocks.next() else {
            work.channel = None;
            return None;
        };
        let l1 = work.l1;
        let claimed_hash = (channel.blocks.len() == 0).then_some(channel.tip_hash);
        let derived = channel.derived;
        channel.derived += 1;
        match self.rules(safe, l1).check(&block) {
            Ok(origin) => {
                let inputs = self.inputs(safe, &origin, block.timestamp, block.transactions);
                Some(Step::Derived(Box::new(Derived {
                    inputs,
                    l1_inclusion: l1,
                    forced: false,
                    claimed_hash,
                })))
            }
            Err(error) => {
                let work = self.work.as_mut()?;
                work.channel = None;
                let reason = DropReason::Block { number: safe.number.next(), error };
                Some(Step::Dropped(work.dropped(derived, reason)))
            }
        }
    }

    fn forced(&self, safe: &L2BlockRef) -> Option<Step> {
        let l1 = self.work.as_ref()?.l1;
        let origin = self.rules(safe, l1).forced()?;
        let timestamp = origin.header.timestamp.max(safe.timestamp + 1);
        let inputs = self.inputs(safe, &origin, timestamp, Vec::new());
        Some(Step::Derived(Box::new(Derived { inputs, l1_inclusion: l1, forced: true, claimed_hash: None })))
    }

    const fn rules<'a>(&'a self, safe: &'a L2BlockRef, l1: BlockId) -> Rules<'a> {
        Rules {
            config: &self.config,
            window: &self.window,
            system: self.system,
            safe,
            included: L1BlockNumber(l1.number),
        }
    }

    fn inputs(
        &self,
        safe: &L2BlockRef,
        origin: &Origin,
        timestamp: u64,
        user_txs: Vec<alloy_primitives::Bytes>,
    ) -> BlockInputs {
        let parent_origin = L1BlockNumber(safe.l1_origin.number);
        let passed = self.window.between(parent_origin, origin.header.number);
        let deposits = passed.flat_map(|block| &block.deposits);
        block_inputs(&origin.system, safe, timestamp, &origin.header, deposits, user_txs)
    }
}

impl Work {
    const fn dropped(&self, derived: usize, reason: DropReason) -> Dropped {
        Dropped { l1_inclusion: self.l1, submission: self.opened - 1, derived, reason }
    }
}
