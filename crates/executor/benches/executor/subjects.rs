//! What is executed.

use lockstep_executor::{Ethereum, Optimism};
use lockstep_testkit::{
    baseline,
    real::{self, L2, Mainnet, RealBlock, RealL2Block},
    workloads::{self, Kind, Workload},
};
use op_revm::L1BlockInfo;
use revm::database::InMemoryDB;

use crate::{
    args::Args,
    case::{Block, Case},
    plain::{Plain, PlainOp},
};

/// Gas of a block, if no size is asked for.
const GAS: u64 = 120_000_000;
/// Transactions of a block, if no size is asked for.
const SIZES: std::ops::RangeInclusive<u64> = 500..=10_000;
/// Real mainnet blocks with less gas are left out: nothing is won or lost in them.
const MIN_MAINNET_GAS: u64 = 4_000_000;
/// The L2 block of 1.5 Ggas.
const L2_BLOCK: u64 = 7_941_842;

/// A case of whatever chain.
pub(crate) enum Subject {
    Ethereum(Case<Ethereum>),
    Optimism(Case<Optimism>),
}

impl Subject {
    pub(crate) fn bench(self, args: &Args) {
        match self {
            Self::Ethereum(case) => case.bench(args),
            Self::Optimism(case) => case.bench(args),
        }
    }
}

/// Makes one subject after the other: they need not fit into memory together.
pub(crate) fn each(args: &Args, mut visit: impl FnMut(Subject)) {
    for kind in workloads::KINDS.iter().filter(|kind| args.wants(kind.name)) {
        visit(Subject::Ethereum(synthetic(kind, args)));
    }
    let real = ["mainnet", "l2"].into_iter().filter(|name| args.wants(name)).collect::<Vec<_>>();
    if real.is_empty() {
        return;
    }
    let (Some(mainnet), Some(l2)) = (Mainnet::open(), L2::open()) else {
        return real::say("real blocks (mainnet, l2): left out, LOCKSTEP_DATA is not set");
    };
    if real.contains(&"mainnet") {
        mainnet_blocks(&mainnet, args, &mut visit);
    }
    if real.contains(&"l2") && l2.numbers().contains(&L2_BLOCK) {
        let case = Case { blocks: vec![optimism(l2.block(L2_BLOCK))], ..Case::new("l2-7941842") };
        visit(Subject::Optimism(Case { real: true, ..case }));
    }
}

fn synthetic(kind: &Kind, args: &Args) -> Case<Ethereum> {
    let size = args.size.unwrap_or_else(|| default_size(kind, args));
    let workload = (kind.build)(size, args.seed);
    let native = workload.txs.iter().filter(|tx| tx.data.is_empty()).count() * 2 > workload.txs.len();
    let block = ethereum(workload);
    Case { blocks: vec![block], transfers: native, ..Case::new(kind.name) }
}

/// So many transactions as use the gas of a block.
fn default_size(kind: &Kind, args: &Args) -> usize {
    let probe = (kind.build)(64, args.seed);
    let (results, _) = baseline::plain(&probe);
    let gas: u64 = results.iter().flatten().map(|result| result.tx_gas_used()).sum();
    let each = (gas / probe.txs.len() as u64).max(1);
    let size = (GAS / each).clamp(*SIZES.start(), *SIZES.end());
    let size = usize::try_from(size).expect("a few thousand");
    if args.quick || !args.measure { size / 4 } else { size }
}

fn ethereum(workload: Workload) -> Block<Ethereum> {
    let Workload { name, state, cfg, block, txs, .. } = workload;
    let vm = Ethereum::new(cfg.clone(), block.clone());
    let plain =
        move |state| Box::new(baseline::Plain::new(state, cfg.clone(), block.clone())) as Box<dyn Plain<_>>;
    Block::new(name.to_owned(), vm, state, txs, Box::new(plain))
}

fn mainnet_blocks(mainnet: &Mainnet, args: &Args, visit: &mut impl FnMut(Subject)) {
    let large = mainnet.blocks().filter(|block| block.header.gas_used >= MIN_MAINNET_GAS);
    let blocks: Vec<Block<Ethereum>> = large.map(mainnet_block).collect();
    let case = Case { blocks, ..Case::new("mainnet") };
    visit(Subject::Ethereum(Case { real: true, per_block: args.per_block, ..case }));
}

fn mainnet_block(block: RealBlock) -> Block<Ethereum> {
    let name = format!("mainnet-{}", block.number());
    let RealBlock { cfg, block, txs, state, .. } = block;
    let vm = Ethereum::new(cfg.clone(), block.clone());
    let plain =
        move |state| Box::new(baseline::Plain::new(state, cfg.clone(), block.clone())) as Box<dyn Plain<_>>;
    Block::new(name, vm, state, txs, Box::new(plain))
}

/// Deposits are executed beforehand, for all sides.
fn optimism(block: RealL2Block) -> Block<Optimism> {
    let name = format!("l2-{}", block.number());
    let RealL2Block { env, mut txs, state, .. } = block;
    let (cfg, block) = (env.cfg_env, env.block_env);
    let users = txs.iter().position(|tx| tx.deposit.source_hash.is_zero()).unwrap_or(txs.len());
    let users = txs.split_off(users);
    let mut evm = Box::new(PlainOp::new(state, cfg.clone(), block.clone()));
    for result in evm.run(txs) {
        result.expect("a deposit of a real block is valid");
    }
    let mut state: InMemoryDB = Plain::into_state(evm);
    let Ok(l1) = L1BlockInfo::try_fetch(&mut state, block.number, cfg.spec);
    let vm = Optimism::new(cfg.clone(), block.clone(), l1);
    let plain = move |state| Box::new(PlainOp::new(state, cfg.clone(), block.clone())) as Box<dyn Plain<_>>;
    Block::new(name, vm, state, users, Box::new(plain))
}
