//! One simulated block.

use alloy::primitives::B256;
use alloy::rpc::types::{BlockOverrides, simulate::SimCallResult};
use alloy_evm::{Evm, EvmEnv, EvmFactory, block::SystemCaller};
use alloy_op_evm::{OpEvmFactory, OpTx};
use lockstep_primitives::{BlockId, Header, SealedBlock, predeploys};
use lockstep_state::Overlay;
use lockstep_stf::{commit_to_contents, evm_env, next_base_fee};
use op_revm::OpSpecId;
use revm::database::{State, WrapDatabaseRef, states::bundle_state::BundleRetention};

use super::{
    Options,
    calls::{Closed, Open},
    chain::Planned,
    transfers::Watch,
};
use crate::rpc::{
    call::{Base, Deadline},
    error::RpcError,
    overrides, view,
};

/// The state that calls have changed so far.
pub(super) type Db = State<WrapDatabaseRef<Overlay>>;
/// A simulated block, and what its calls gave.
#[derive(Debug)]
pub(super) struct Simulated {
    pub(super) sealed: SealedBlock,
    pub(super) size_bytes: u64,
    pub(super) calls: Vec<SimCallResult>,
}

/// The state between two simulated blocks.
#[derive(Debug)]
pub(super) struct Simulation {
    base: Base,
    options: Options,
    state: Db,
    parent: Header,
    parent_hash: B256,
    /// Gas that the calls of all blocks to come may use together.
    gas_left: u64,
    deadline: Deadline,
}

impl Simulation {
    pub(super) fn new(base: Base, options: Options) -> Self {
        let database = WrapDatabaseRef(base.state.clone());
        let mut state = State::builder().with_database(database).with_bundle_update().build();
        let (parent, parent_hash) = (base.header.clone(), base.header.hash_slow());
        state.block_hashes.insert(parent.number, parent_hash);
        let (gas_left, deadline) = (base.limits.call_gas, Deadline::after(base.limits.call_timeout));
        Self { base, options, state, parent, parent_hash, gas_left, deadline }
    }

    /// Executes the next block.
    pub(super) fn block(&mut self, planned: Planned) -> Result<Simulated, RpcError> {
        if self.deadline.is_over() {
            return Err(self.timeout());
        }
        let Planned { mut header, changes, state, calls } = planned;
        header.parent_hash = self.parent_hash;
        header.base_fee_per_gas = Some(self.base_fee(&header)?);
        let env = self.environment(&header, &changes);
        for (number, hash) in changes.block_hash.into_iter().flatten() {
            self.state.block_hashes.insert(number, hash);
        }
        let inspector = (self.deadline, Watch::default());
        let factory = OpEvmFactory::<OpTx>::default();
        let mut evm = factory.create_evm_with_inspector(&mut self.state, env.clone(), inspector);
        let (db, _, precompiles) = evm.components_mut();
        overrides::apply_to_state(db, precompiles, state)?;
        let mut system = SystemCaller::new(self.base.rules);
        system.apply_pre_execution_changes(&header, &mut evm).map_err(RpcError::internal)?;
        let mut open = Open::new(evm, env, header, self.options, self.gas_left);
        for request in calls {
            if !open.call(request.0)? {
                return Err(self.timeout());
            }
        }
        let closed = open.close();
        self.gas_left = closed.gas_left;
        self.seal(closed)
    }

    /// Without validation a call need not offer a price, so blocks ask none unless they are told to.
    fn base_fee(&self, header: &Header) -> Result<u64, RpcError> {
        match header.base_fee_per_gas {
            Some(fee) => Ok(fee),
            None if self.options.validation => next_base_fee(&self.parent).map_err(RpcError::internal),
            None => Ok(0),
        }
    }

    fn environment(&self, header: &Header, changes: &BlockOverrides) -> EvmEnv<OpSpecId> {
        let mut env = evm_env(&self.base.rules, header);
        overrides::apply_to_block(&mut env.block_env, changes);
        env.cfg_env.disable_nonce_check = !self.options.validation;
        env.cfg_env.disable_eip3607 = true; // calls may come from contracts, validated or not
        env.cfg_env.tx_gas_limit_cap = Some(u64::MAX); // EIP-7825 binds transactions, not calls
        env
    }

    fn timeout(&self) -> RpcError {
        RpcError::Timeout(self.base.limits.call_timeout.into())
    }

    /// Adds the roots, and stands on the block.
    fn seal(&mut self, closed: Closed) -> Result<Simulated, RpcError> {
        let Closed { mut header, transactions, senders, receipts, mut calls, .. } = closed;
        self.state.merge_transitions(BundleRetention::PlainState);
        let staged = self.base.state.stage(&self.state.bundle_state)?;
        header.state_root = staged.state_root();
        header.withdrawals_root = Some(staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?);
        commit_to_contents(&mut header, &transactions, &receipts);
        let hash = header.hash_slow();
        self.state.block_hashes.insert(header.number, hash);
        for log in calls.iter_mut().flat_map(|call| &mut call.logs) {
            log.block_hash = Some(hash);
        }
        (self.parent, self.parent_hash) = (header.clone(), hash);
        let size_bytes = view::size_bytes(&header, &transactions);
        let (l1_origin, sequence_number) = (BlockId::default(), 0);
        let sealed =
            SealedBlock { header, hash, l1_origin, sequence_number, transactions, senders, receipts };
        Ok(Simulated { sealed, size_bytes, calls })
    }
}
