//! The stored chain: blocks from Postgres, state from the store of the sequencer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy::eips::Encodable2718;
use eyre::{WrapErr, eyre};
use lockstep_devnet::{Postgres, PostgresError, PostgresOptions, Tools};
use lockstep_index::{Index, block, head};
use lockstep_primitives::{
    BlockInputs, BlockNumber, Eip1559Params, Genesis, Header, RollupConfig, SealedBlock, predeploys,
};
use lockstep_state::{StateError, StateOptions, StateStore, StateView};
use lockstep_stf::{Rules, execute_with};
use revm::database_interface::WrapDatabaseRef;
use tempfile::TempDir;

use super::Place;

/// File of a state store, in its folder.
const STATE_FILE: &str = "state.redb";
/// Copies that are tried of a file that is written meanwhile.
const TRIES: usize = 3;

/// A chain that is only read.
pub(super) struct StoredChain {
    index: Index,
    rules: Rules,
    genesis: Genesis,
    state: PathBuf,
    /// The Postgres of a `lockstep dev` that does not run.
    postgres: Option<Postgres>,
}

/// A block, and what it was executed on.
pub(super) struct StoredBlock {
    pub(super) rules: Rules,
    pub(super) parent: Header,
    pub(super) block: SealedBlock,
    pub(super) inputs: BlockInputs,
    pub(super) view: StateView,
    /// Holds the copy that `view` reads.
    _copy: Option<TempDir>,
}

impl StoredChain {
    /// Opens what `place` names.
    ///
    /// # Errors
    /// Postgres or the addresses file are not there.
    pub(super) async fn open(place: &Place) -> eyre::Result<Self> {
        let (url, rollup, data, postgres) = match &place.database_url {
            Some(url) => {
                let rollup = place.rollup_config.clone();
                let rollup = rollup.ok_or_else(|| eyre!("--database-url needs --rollup-config beside it"))?;
                (url.expose().to_owned(), rollup, place.data_dir.clone(), None)
            }
            None => open_dev(&place.dev_data_dir).await?,
        };
        let json = fs::read(&rollup).wrap_err_with(|| format!("cannot read {}", rollup.display()))?;
        let config: RollupConfig = serde_json::from_slice(&json).wrap_err_with(|| {
            format!("{} is not an addresses file of `lockstep deploy`", rollup.display())
        })?;
        let index = Index::connect(&url).await.wrap_err("cannot open the database")?;
        let rules = Rules::new(config.chain.l2_chain_id);
        let genesis = Genesis::new(&config);
        Ok(Self { index, rules, genesis, state: data.join("state"), postgres })
    }

    /// Block `number` and the state before it.
    ///
    /// # Errors
    /// There is no such block, or the state before it is not kept.
    pub(super) async fn block(&self, number: BlockNumber) -> eyre::Result<StoredBlock> {
        let pool = self.index.pool();
        let Some(block) = block::by_number(pool, number).await? else {
            let heads = head::get(pool).await?.ok_or_else(|| eyre!("the database holds no chain"))?;
            return Err(eyre!("there is no block {number}: the newest is {}", heads.unsafe_head.number));
        };
        let parent = BlockNumber(number.0 - 1);
        let header = block::header(pool, parent).await?.ok_or_else(|| eyre!("there is no block {parent}"))?;
        let (view, copy) = self.state_after(parent).await?;
        if view.block_hash(parent)? != Some(header.hash) {
            return Err(eyre!("the state store and the database hold different chains"));
        }
        let inputs = inputs_of(&block)?;
        Ok(StoredBlock { rules: self.rules, parent: header.header, block, inputs, view, _copy: copy })
    }

    /// Lets go of the database.
    ///
    /// # Errors
    /// A Postgres that was started for this cannot be stopped.
    pub(super) async fn close(self) -> eyre::Result<()> {
        self.index.close().await;
        if let Some(postgres) = self.postgres {
            postgres.stop().await.wrap_err("cannot stop Postgres")?;
        }
        Ok(())
    }

    /// From the store itself if it is free and far enough; else from a copy, brought up to `number`.
    async fn state_after(&self, number: BlockNumber) -> eyre::Result<(StateView, Option<TempDir>)> {
        if !self.state.join(STATE_FILE).is_file() {
            return Err(eyre!("there is no state store in {}", self.state.display()));
        }
        match open(&self.state).and_then(|store| store.at(number)) {
            Ok(view) => return Ok((view, None)),
            Err(StateError::Locked(_)) => {}
            Err(StateError::OutsideHistory { head, .. }) if head < number => {}
            Err(StateError::OutsideHistory { number, first, .. }) => {
                return Err(eyre!(
                    "the state of block {number} is pruned: the oldest kept is that of block {first}"
                ));
            }
            Err(error) => return Err(error.into()),
        }
        let mut tries = 1;
        loop {
            match self.copied_state_after(number).await {
                // The file changed while it was read.
                Err(_) if tries < TRIES => tries += 1,
                result => return result.map(|(view, copy)| (view, Some(copy))),
            }
        }
    }

    async fn copied_state_after(&self, number: BlockNumber) -> eyre::Result<(StateView, TempDir)> {
        let copy = tempfile::tempdir().wrap_err("cannot make a temporary folder")?;
        fs::copy(self.state.join(STATE_FILE), copy.path().join(STATE_FILE))
            .wrap_err("cannot copy the state store")?;
        let store = open(copy.path())?;
        store.init_genesis(&self.genesis.alloc, self.genesis.hash)?;
        let mut head = store.latest()?.number();
        while head < number {
            head = head.next();
            self.append(&store, head).await.wrap_err_with(|| format!("cannot execute block {head}"))?;
        }
        Ok((store.at(number)?, copy))
    }

    /// Executes block `number` on the head of `store`, which has not got that far, and makes it the head.
    async fn append(&self, store: &StateStore, number: BlockNumber) -> eyre::Result<()> {
        let parent = BlockNumber(number.0 - 1);
        let missing = || eyre!("it is not in the database");
        let block = block::by_number(self.index.pool(), number).await?.ok_or_else(missing)?;
        let parent = block::header(self.index.pool(), parent).await?.ok_or_else(missing)?;
        let db = WrapDatabaseRef(store.latest()?);
        let senders = &block.senders;
        let inputs = inputs_of(&block)?;
        let executed =
            execute_with(db, &self.rules, &parent.header, &inputs, |tx, _| senders.get(tx).copied())?;
        let staged = store.stage(&executed.bundle)?;
        let passer = staged.storage_root(predeploys::L2_TO_L1_MESSAGE_PASSER)?;
        let hash = executed.seal(staged.state_root(), passer).hash;
        if hash != block.hash {
            return Err(eyre!("it executes to {hash}, not to {}", block.hash));
        }
        Ok(store.commit(staged, number, hash)?)
    }
}

fn open(directory: &Path) -> Result<StateStore, StateError> {
    StateStore::open(directory, StateOptions { cache_bytes: 64 << 20, ..StateOptions::default() })
}

/// The chain of `lockstep dev` in `folder`, running or not: Postgres, addresses file, folder of the sequencer.
async fn open_dev(folder: &Path) -> eyre::Result<(String, PathBuf, PathBuf, Option<Postgres>)> {
    let rollup = folder.join("rollup.json");
    if !rollup.is_file() {
        return Err(eyre!(
            "{} holds no chain of `lockstep dev`: name its folder with --dev-data-dir, or another chain with \
             --database-url, --rollup-config and --data-dir",
            folder.display()
        ));
    }
    let place = folder.join("postgres");
    let (url, postgres) = match running(&place) {
        Some(url) => (url, None),
        None => match Postgres::start(&Tools::from_env(), PostgresOptions::new(place)).await {
            Ok(postgres) => (postgres.url(), Some(postgres)),
            Err(PostgresError::Busy(_)) => {
                return Err(eyre!("the Postgres of {} is starting or stopping: try again", folder.display()));
            }
            Err(error) => return Err(error.into()),
        },
    };
    Ok((url, rollup, folder.join("sequencer"), postgres))
}

/// The address of the Postgres that runs on the cluster in `folder`, from the file that it keeps while it runs (line 1
/// is its process, 4 its port, 8 its state).
fn running(folder: &Path) -> Option<String> {
    let file = fs::read_to_string(folder.join("data/postmaster.pid")).ok()?;
    let lines: Vec<&str> = file.lines().map(str::trim).collect();
    let (process, port, state) = (lines.first()?, lines.get(3)?, lines.get(7)?);
    let alive = Path::new("/proc").join(process).exists() || !Path::new("/proc/self").exists();
    (alive && *state == "ready").then(|| format!("postgres://postgres@127.0.0.1:{port}/postgres"))
}

/// What `block` was made from.
fn inputs_of(block: &SealedBlock) -> eyre::Result<BlockInputs> {
    let header = &block.header;
    let malformed = || eyre!("block {} is malformed", header.number);
    Ok(BlockInputs {
        number: BlockNumber(header.number),
        parent_hash: header.parent_hash,
        timestamp: header.timestamp,
        prev_randao: header.mix_hash,
        parent_beacon_block_root: header.parent_beacon_block_root.ok_or_else(malformed)?,
        fee_recipient: header.beneficiary,
        gas_limit: header.gas_limit,
        eip1559: Eip1559Params::from_extra_data(&header.extra_data).ok_or_else(malformed)?,
        l1_origin: block.l1_origin,
        sequence_number: block.sequence_number,
        transactions: block.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
    })
}
