//! Where the transactions of a conflict graph are drawn.
//!
//! Transactions that conflict, directly or through others, form a group. A group is drawn from left to right by
//! depth; groups are set on shelves like books. What would be too small to see is drawn together.

use std::collections::{BTreeMap, BTreeSet};

use super::digest::Digest;

/// Most transactions of one depth that a group shows one by one.
const MAX_ROWS: usize = 14;
/// Pixels between two depths, at best and at worst.
const STEP: std::ops::RangeInclusive<f64> = 9.0..=46.0;
/// The same for a chain, whose edges need less room.
const CHAIN_STEP: f64 = 34.0;
/// Pixels between two transactions of one depth.
pub(super) const ROW: f64 = 20.0;
/// Room around a group.
pub(super) const PAD: f64 = 10.0;

/// One mark of the drawing: a transaction, or several.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Ascending.
    pub(super) txs: Vec<u32>,
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) critical: bool,
}

/// Transactions that depend on each other.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) nodes: Vec<Node>,
    /// Older to younger, as positions in `nodes`; whether both are neighbours on the critical path.
    pub(super) edges: BTreeMap<(usize, usize), bool>,
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Pixels between two columns.
    pub(super) step: f64,
    /// Transactions, ascending.
    pub(super) txs: Vec<u32>,
    pub(super) critical: bool,
}

impl Group {
    pub(super) fn width(&self) -> f64 {
        pixels(self.columns.max(1)) * self.step + PAD
    }

    pub(super) fn height(&self) -> f64 {
        pixels(self.rows.max(1)) * ROW + PAD
    }
}

#[allow(clippy::cast_precision_loss, reason = "a few thousand at most")]
pub(super) fn pixels(count: usize) -> f64 {
    count as f64
}

/// Transactions that conflict with nobody, and the groups of the others in the order in which they are drawn.
pub(super) fn split(digest: &Digest, width: f64) -> (Vec<u32>, Vec<Group>) {
    let mut free = Vec::new();
    let mut groups = Vec::new();
    for txs in components(&digest.waits_for) {
        if txs.len() == 1 {
            free.extend(txs);
        } else {
            groups.push(arrange(digest, txs, width));
        }
    }
    free.sort_unstable();
    groups
        .sort_by_key(|group| (!group.critical, std::cmp::Reverse((group.rows, group.columns)), group.txs[0]));
    (free, groups)
}

/// Connected transactions, each ascending, ordered by their first.
fn components(waits_for: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut parent: Vec<u32> = (0..).take(waits_for.len()).collect();
    for (tx, older) in waits_for.iter().enumerate() {
        for older in older {
            let (one, other) = (root(&mut parent, *older), root(&mut parent, parent_of(tx)));
            parent[one.max(other) as usize] = one.min(other);
        }
    }
    let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for tx in 0..waits_for.len() {
        let first = root(&mut parent, parent_of(tx));
        found.entry(first).or_default().push(parent_of(tx));
    }
    found.into_values().collect()
}

fn parent_of(tx: usize) -> u32 {
    u32::try_from(tx).expect("a block has fewer than 2^32 transactions")
}

fn root(parent: &mut [u32], mut tx: u32) -> u32 {
    while parent[tx as usize] != tx {
        parent[tx as usize] = parent[parent[tx as usize] as usize];
        tx = parent[tx as usize];
    }
    tx
}

fn arrange(digest: &Digest, txs: Vec<u32>, width: f64) -> Group {
    let critical: BTreeSet<u32> = digest.critical.iter().map(|tx| tx.0).collect();
    let depths = txs.iter().map(|tx| digest.depth[*tx as usize]).max().unwrap_or(0) + 1;
    let room = width - PAD;
    let best = if depths == txs.len() { CHAIN_STEP } else { *STEP.end() };
    let step = (room / pixels(depths)).clamp(*STEP.start(), best);
    let fitting = (1..).take_while(|columns| pixels(*columns) * step <= room).last().unwrap_or(1);
    let per_column = depths.div_ceil(fitting);

    let mut columns: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for tx in &txs {
        columns.entry(digest.depth[*tx as usize] / per_column).or_default().push(*tx);
    }
    let mut group = Group { columns: depths.div_ceil(per_column), step, ..Group::default() };
    for (column, members) in columns {
        let parts =
            if per_column == 1 { rows_of(digest, &critical, &members) } else { halves(&critical, &members) };
        group.nodes.extend(parts.into_iter().enumerate().map(|(row, txs)| Node {
            critical: txs.iter().any(|tx| critical.contains(tx)),
            txs,
            column,
            row,
        }));
    }
    group.critical = group.nodes.iter().any(|node| node.critical);
    group.edges = edges(digest, &critical, &group.nodes);
    group.txs = txs;
    untangle(&mut group);
    group.rows = group.nodes.iter().map(|node| node.row + 1).max().unwrap_or(1);
    group
}

/// The members of one column: one by one, and what is too much together; heavy ones are shown.
fn rows_of(digest: &Digest, critical: &BTreeSet<u32>, members: &[u32]) -> Vec<Vec<u32>> {
    if members.len() <= MAX_ROWS {
        return members.iter().map(|tx| vec![*tx]).collect();
    }
    let mut heaviest = members.to_vec();
    let time = |tx: &u32| digest.stood[*tx as usize].as_ref().map_or(0, super::digest::duration_ns);
    heaviest.sort_by_key(|tx| (!critical.contains(tx), std::cmp::Reverse(time(tx)), *tx));
    let mut together = heaviest.split_off(MAX_ROWS - 1);
    heaviest.sort_unstable();
    together.sort_unstable();
    heaviest.into_iter().map(|tx| vec![tx]).chain([together]).collect()
}

/// Of several depths drawn as one: the critical path, and the rest.
fn halves(critical: &BTreeSet<u32>, members: &[u32]) -> Vec<Vec<u32>> {
    let (path, rest): (Vec<u32>, Vec<u32>) = members.iter().partition(|tx| critical.contains(tx));
    [path, rest].into_iter().filter(|part| !part.is_empty()).collect()
}

/// Edges between marks. An edge that says no more than two others do is left out.
fn edges(digest: &Digest, critical: &BTreeSet<u32>, nodes: &[Node]) -> BTreeMap<(usize, usize), bool> {
    let places = nodes.iter().enumerate();
    let place: BTreeMap<u32, usize> =
        places.flat_map(|(place, node)| node.txs.iter().map(move |tx| (*tx, place))).collect();
    let path = digest.critical.windows(2).map(|pair| (pair[0].0, pair[1].0));
    let path: BTreeSet<(u32, u32)> = path.filter(|pair| critical.contains(&pair.0)).collect();
    let mut edges = BTreeMap::new();
    let mut implied_for = vec![None; digest.waits_for.len()];
    for (tx, to) in &place {
        for older in digest.waits_for[*tx as usize].iter().rev() {
            let on_path = path.contains(&(*older, *tx));
            if implied_for[*older as usize] == Some(*tx) && !on_path {
                continue;
            }
            for oldest in &digest.waits_for[*older as usize] {
                implied_for[*oldest as usize] = Some(*tx);
            }
            let from = place[older];
            if from != *to {
                *edges.entry((from, *to)).or_insert(false) |= on_path;
            }
        }
    }
    edges
}

/// Orders the marks of each column by the middle of those that they stand behind, the critical path on top.
fn untangle(group: &mut Group) {
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); group.nodes.len()];
    for (from, to) in group.edges.keys() {
        behind[*to].push(*from);
    }
    for column in 0..group.columns {
        let mut order: Vec<(bool, usize, usize)> = Vec::new();
        for (place, node) in group.nodes.iter().enumerate().filter(|(_, node)| node.column == column) {
            let rows = behind[place].iter().map(|older| 1_000 * group.nodes[*older].row);
            let middle = rows.sum::<usize>().checked_div(behind[place].len()).unwrap_or(1_000 * node.row);
            order.push((!node.critical, middle, place));
        }
        order.sort_unstable();
        for (row, (.., place)) in order.into_iter().enumerate() {
            group.nodes[place].row = row;
        }
    }
}
