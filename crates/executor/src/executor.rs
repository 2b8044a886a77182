//! What lives longer than a block.

use std::{fmt, sync::Arc};

use rayon::{ThreadPool, ThreadPoolBuilder};
use revm::DatabaseRef;

use crate::{
    Block, ExecutorError, Limits, Options, Output, Vm, flat, governor::Governor, parallel,
    predict::Predictor, serial::OutcomeOf,
};

/// Executes blocks. It keeps threads, and what it learned of contracts, from one block to the next; it may be shared
/// by several threads.
pub struct Executor {
    options: Options,
    /// The threads beside the caller's; `None` if there are none.
    pool: Option<ThreadPool>,
    predictor: Predictor,
    governor: Governor,
    spare: Arc<flat::Spare>,
    parallel_spare: Arc<parallel::Spare>,
}

impl Executor {
    /// Starts the threads.
    ///
    /// # Errors
    /// [`ExecutorError::Pool`] if they cannot start.
    pub fn new(options: Options) -> Result<Self, ExecutorError> {
        let others = options.threads.saturating_sub(1);
        let pool = (others > 0).then(|| {
            let named = |number| format!("executor-{}", number + 1);
            ThreadPoolBuilder::new().num_threads(others).thread_name(named).build()
        });
        let pool = pool.transpose().map_err(|error| ExecutorError::Pool(Box::new(error)))?;
        let predictor = Predictor::new(options.sources, options.adaptive);
        Ok(Self {
            options,
            pool,
            predictor,
            governor: Governor::default(),
            spare: Arc::default(),
            parallel_spare: Arc::default(),
        })
    }

    /// How it works.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The threads beside the caller's, if there are any.
    pub(crate) const fn pool(&self) -> Option<&ThreadPool> {
        self.pool.as_ref()
    }

    /// What earlier blocks taught.
    pub(crate) const fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// What earlier blocks took.
    pub(crate) const fn governor(&self) -> &Governor {
        &self.governor
    }

    /// Memory for the next block on one thread.
    pub(crate) const fn spare(&self) -> &Arc<flat::Spare> {
        &self.spare
    }

    /// Memory for the next block on several threads.
    pub(crate) const fn parallel_spare(&self) -> &Arc<parallel::Spare> {
        &self.parallel_spare
    }

    /// Starts a block by the rules of `vm` on the state in `db`, with room for `limits`.
    pub fn block<'a, V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync>(
        &'a self,
        vm: &'a V,
        db: &'a D,
        limits: Limits,
    ) -> Block<'a, V, D> {
        Block::new(self, vm, db, limits)
    }

    /// Executes a block whose transactions are all known: [`Self::block`], [`Block::run`], [`Block::finish`].
    ///
    /// # Errors
    /// As [`Block::run`].
    pub fn execute<V: Vm, D: DatabaseRef<Error: Send + Sync + 'static> + Sync>(
        &self,
        vm: &V,
        db: &D,
        limits: Limits,
        txs: &[V::Tx],
    ) -> Result<(Vec<OutcomeOf<V>>, Output), ExecutorError> {
        let mut block = self.block(vm, db, limits);
        let outcomes = block.run(txs, &[])?;
        Ok((outcomes, block.finish()))
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("options", &self.options).finish_non_exhaustive()
    }
}
