//! Which L1 block the next L2 block stands on, and at what time. Pure.

use std::{collections::VecDeque, sync::Arc};

use lockstep_derive::{L1Block, block_inputs};
use lockstep_primitives::{
    BlockId, BlockInputs, ChainConfig, L1BlockNumber, L2BlockRef, SystemConfig, TxDeposit,
};

/// Consecutive L1 blocks, from the origin of the unsafe head (the anchor) to the newest confirmed one.
#[derive(Clone, Debug, Default)]
pub(crate) struct L1Window {
    blocks: VecDeque<Arc<L1Block>>,
}

/// An L1 block that does not continue the window: L1 changed its mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAChild;

impl L1Window {
    /// The newest block.
    pub(crate) fn last(&self) -> Option<BlockId> {
        self.blocks.back().map(|block| block.header.id())
    }

    pub(crate) fn contains(&self, id: BlockId) -> bool {
        self.get(L1BlockNumber(id.number)).is_some_and(|block| block.header.hash == id.hash)
    }

    pub(crate) fn get(&self, number: L1BlockNumber) -> Option<&Arc<L1Block>> {
        let first = self.blocks.front()?.header.number;
        self.blocks.get(usize::try_from(number.0.checked_sub(first.0)?).ok()?)
    }

    /// Adds the child of the newest block.
    pub(crate) fn push(&mut self, block: L1Block) -> Result<(), NotAChild> {
        if self.last().is_some_and(|last| {
            last.hash != block.header.parent_hash || last.number + 1 != block.header.number.0
        }) {
            return Err(NotAChild);
        }
        // The sequencer has no use for what the batcher posted.
        self.blocks.push_back(Arc::new(L1Block { submissions: Vec::new(), ..block }));
        Ok(())
    }

    /// Takes the newest block back.
    pub(crate) fn pop(&mut self) {
        self.blocks.pop_back();
    }

    /// Forgets the blocks below `number`.
    pub(crate) fn forget_below(&mut self, number: u64) {
        while self.blocks.front().is_some_and(|block| block.header.number.0 < number) {
            self.blocks.pop_front();
        }
    }

    /// Whether deposits wait in the blocks above `number`.
    pub(crate) fn has_deposits_above(&self, number: u64) -> bool {
        self.after(number).any(|block| !block.deposits.is_empty())
    }

    fn after(&self, number: u64) -> impl Iterator<Item = &Arc<L1Block>> {
        self.blocks.iter().skip_while(move |block| block.header.number.0 <= number)
    }
}

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) parent: &'a L2BlockRef,
    /// Configuration as of the parent's origin.
    pub(crate) system: SystemConfig,
    pub(crate) window: &'a L1Window,
    /// Seconds since the Unix epoch that the block should have, if L1 allows it.
    pub(crate) time: u64,
    pub(crate) max_drift: u64,
    /// Never pass an L1 block with deposits.
    pub(crate) ignore_deposits: bool,
}

/// The L1 side of the next block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) inputs: BlockInputs,
    /// Configuration as of the block's origin.
    pub(crate) system: SystemConfig,
}

/// Why there can be no block now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wait {
    /// L1's reader has not delivered the parent's origin yet.
    #[error("the L1 origin {0} has not been read yet")]
    Origin(u64),
    /// Every usable origin is too old or still ahead of the clock.
    #[error("no L1 block allows an L2 block at time {time}: the newest is {newest} of time {newest_time}")]
    Drift {
        /// Desired timestamp.
        time: u64,
        /// Newest known L1 block.
        newest: u64,
        /// Its timestamp.
        newest_time: u64,
    },
}

impl Choice<'_> {
    /// The inputs of the next block, without transactions of users: the newest origin whose deposits fit, at
    /// the desired time or as close to it as the drift rule allows.
    pub(crate) fn plan(&self) -> Result<Plan, Wait> {
        let anchor = self.parent.l1_origin;
        if !self.window.contains(anchor) {
            return Err(Wait::Origin(anchor.number));
        }
        let mut chosen = None;
        let mut system = self.system;
        let mut deposits: Vec<&TxDeposit> = Vec::new();
        let mut gas = 0u64;
        let first = self.window.get(L1BlockNumber(anchor.number));
        for block in first.into_iter().chain(self.window.after(anchor.number)) {
            if block.header.number.0 > anchor.number {
                gas = gas.saturating_add(block.deposit_gas());
                block.config_updates.iter().for_each(|update| update.apply(&mut system));
                deposits.extend(&block.deposits);
                let next = block.header.number.0 == anchor.number + 1;
                let available = system.gas_limit.saturating_sub(ChainConfig::ATTRIBUTES_GAS);
                if self.ignore_deposits && !block.deposits.is_empty() || !next && gas > available {
                    break;
                }
            }
            let time = self.time.min(block.header.timestamp.saturating_add(self.max_drift));
            if time > self.parent.timestamp && time >= block.header.timestamp {
                chosen = Some((block, time, system, deposits.len()));
            }
        }
        let (origin, time, system, count) = chosen.ok_or_else(|| self.drift())?;
        let deposits = deposits.into_iter().take(count);
        let inputs = block_inputs(&system, self.parent, time, &origin.header, deposits, []);
        Ok(Plan { inputs, system })
    }

    fn drift(&self) -> Wait {
        let newest = self.window.blocks.back().map(|block| block.header).unwrap_or_default();
        Wait::Drift { time: self.time, newest: newest.number.0, newest_time: newest.timestamp }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloy::primitives::B256;
    use lockstep_derive::ConfigUpdate;
    use lockstep_primitives::{BlockNumber, L1BlockRef};

    use super::*;

    const SYSTEM: SystemConfig = SystemConfig {
        gas_limit: 30_000_000,
        base_fee_scalar: 1,
        blob_base_fee_scalar: 1,
        operator_fee_scalar: 0,
        operator_fee_constant: 0,
        da_footprint_gas_scalar: 400,
        eip1559_denominator: 250,
        eip1559_elasticity: 6,
        min_base_fee: 1,
    };

    fn l1(number: u64, timestamp: u64, deposit_gas: &[u64]) -> L1Block {
        let hash = |number| B256::from(alloy::primitives::U256::from(number));
        L1Block {
            header: L1BlockRef {
                number: L1BlockNumber(number),
                hash: hash(number),
                parent_hash: hash(number - 1),
                timestamp,
                ..L1BlockRef::default()
            },
            deposits: deposit_gas
                .iter()
                .map(|gas| TxDeposit { gas_limit: *gas, ..TxDeposit::default() })
                .collect(),
            ..L1Block::default()
        }
    }

    fn window(blocks: impl IntoIterator<Item = L1Block>) -> L1Window {
        let mut window = L1Window::default();
        blocks.into_iter().for_each(|block| window.push(block).unwrap());
        window
    }

    fn parent(origin: &L1Block, timestamp: u64) -> L2BlockRef {
        L2BlockRef {
            number: BlockNumber(5),
            l1_origin: origin.header.id(),
            timestamp,
            ..L2BlockRef::default()
        }
    }

    fn choose(window: &L1Window, parent: &L2BlockRef, time: u64) -> Result<Plan, Wait> {
        Choice { parent, system: SYSTEM, window, time, max_drift: 100, ignore_deposits: false }.plan()
    }

    #[test]
    fn the_newest_origin_is_taken_with_all_deposits_on_the_way() {
        let window = window([l1(10, 100, &[]), l1(11, 101, &[50_000]), l1(12, 102, &[60_000, 70_000])]);
        let plan = choose(&window, &parent(&l1(10, 100, &[]), 102), 103).unwrap();
        assert_eq!(plan.inputs.l1_origin.number, 12);
        assert_eq!((plan.inputs.timestamp, plan.inputs.sequence_number), (103, 0));
        assert_eq!(plan.inputs.transactions.len(), 1 + 3);
    }

    #[test]
    fn deposits_that_do_not_fit_together_wait_for_the_next_block() {
        let window = window([
            l1(10, 100, &[]),
            l1(11, 101, &[20_000_000]),
            l1(12, 102, &[20_000_000]),
            l1(13, 103, &[]),
        ]);
        let plan = choose(&window, &parent(&l1(10, 100, &[]), 102), 103).unwrap();
        assert_eq!((plan.inputs.l1_origin.number, plan.inputs.transactions.len()), (11, 2));
    }

    #[test]
    fn an_origin_ahead_of_the_clock_waits() {
        let window = window([l1(10, 100, &[]), l1(11, 112, &[])]);
        let plan = choose(&window, &parent(&l1(10, 100, &[]), 105), 106).unwrap();
        assert_eq!((plan.inputs.l1_origin.number, plan.inputs.sequence_number), (10, 1));
    }

    #[test]
    fn without_new_l1_blocks_time_runs_up_to_the_drift_and_then_stands() {
        let window = window([l1(10, 100, &[])]);
        assert_eq!(choose(&window, &parent(&l1(10, 100, &[]), 198), 999).unwrap().inputs.timestamp, 200);
        let stuck = choose(&window, &parent(&l1(10, 100, &[]), 200), 999);
        assert_eq!(stuck, Err(Wait::Drift { time: 999, newest: 10, newest_time: 100 }));
    }

    #[test]
    fn an_unknown_parent_origin_waits_for_the_reader() {
        let window = window([l1(11, 101, &[])]);
        assert_eq!(choose(&window, &parent(&l1(10, 100, &[]), 100), 103), Err(Wait::Origin(10)));
    }

    #[test]
    fn configuration_applies_from_the_block_that_adopts_its_origin() {
        let mut update = l1(11, 101, &[]);
        update.config_updates.push(ConfigUpdate::GasLimit(40_000_000));
        let window = window([l1(10, 100, &[]), update]);
        let plan = choose(&window, &parent(&l1(10, 100, &[]), 101), 102).unwrap();
        assert_eq!((plan.inputs.gas_limit, plan.system.gas_limit), (40_000_000, 40_000_000));
    }

    #[test]
    fn a_hostile_sequencer_stops_before_deposits() {
        let window = window([l1(10, 100, &[]), l1(11, 101, &[]), l1(12, 102, &[50_000]), l1(13, 103, &[])]);
        let parent = parent(&l1(10, 100, &[]), 103);
        let hostile = Choice {
            parent: &parent,
            system: SYSTEM,
            window: &window,
            time: 104,
            max_drift: 100,
            ignore_deposits: true,
        };
        assert_eq!(hostile.plan().unwrap().inputs.l1_origin.number, 11);
    }

    #[test]
    fn a_block_with_another_parent_is_no_child() {
        let mut window = window([l1(10, 100, &[])]);
        let mut fork = l1(11, 101, &[]);
        fork.header.parent_hash = B256::repeat_byte(9);
        assert_eq!(window.push(fork), Err(NotAChild));
    }
}
