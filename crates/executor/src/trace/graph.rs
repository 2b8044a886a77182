//! The conflict graph: who had to come after whom.

use super::{
    canvas::{Area, Canvas, MARGIN, WIDTH, class},
    digest::{Digest, duration_ns},
    layout::{Group, Node, PAD, ROW, pixels, split},
    units,
};

/// Height at which the drawing of groups ends; the rest is drawn as one mark.
const MAX_HEIGHT: f64 = 1_300.0;
const ROOM: f64 = WIDTH - 2.0 * MARGIN;

/// Draws below `top`; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, digest: &Digest, top: f64) -> f64 {
    let (free, groups) = split(digest, ROOM);
    let bottom = draw_groups(canvas, digest, &groups, top);
    draw_free(canvas, digest, &free, bottom)
}

fn draw_groups(canvas: &mut Canvas, digest: &Digest, groups: &[Group], top: f64) -> f64 {
    let (mut x, mut y, mut shelf) = (MARGIN, top, 0.0_f64);
    for (place, group) in groups.iter().enumerate() {
        if x + group.width() > MARGIN + ROOM && x > MARGIN {
            (x, y, shelf) = (MARGIN, y + shelf, 0.0);
        }
        if y + group.height() - top > MAX_HEIGHT && place > 0 {
            return draw_others(canvas, &groups[place..], y + shelf);
        }
        draw_group(canvas, digest, group, x, y);
        x += group.width() + 8.0;
        shelf = shelf.max(group.height());
    }
    y + shelf
}

fn draw_group(canvas: &mut Canvas, digest: &Digest, group: &Group, left: f64, top: f64) {
    let middle = |node: &Node| {
        let (column, row) = (pixels(node.column) + 0.5, pixels(node.row) + 0.5);
        (left + PAD / 2.0 + column * group.step, top + PAD / 2.0 + row * ROW)
    };
    for ((from, to), on_path) in &group.edges {
        let (from, to) = (&group.nodes[*from], &group.nodes[*to]);
        canvas.curve(if *on_path { "path" } else { "edge" }, middle(from), middle(to), true);
    }
    for node in &group.nodes {
        draw_node(canvas, digest, node, middle(node), group.step);
    }
}

fn draw_node(canvas: &mut Canvas, digest: &Digest, node: &Node, middle: (f64, f64), step: f64) {
    let time: u64 =
        node.txs.iter().filter_map(|tx| digest.stood[*tx as usize].as_ref()).map(duration_ns).sum();
    let [tx] = node.txs.as_slice() else {
        let label = format!("×{}", node.txs.len());
        let tip = format!(
            "{}: {}, {}",
            units::count(node.txs.len(), "transaction"),
            units::ranges(&node.txs),
            units::time(time)
        );
        let area = around(middle, (step - 3.0).min(34.0), 16.0);
        canvas.transactions(&style(digest, node), area, 3.0, &node.txs, &tip);
        if area.width >= 7.0 * pixels(label.len() - 1) {
            canvas.text("in", middle.0, middle.1 + 3.5, &label);
        }
        return;
    };
    let waits = &digest.waits_for[*tx as usize];
    let mut tip = format!("transaction {tx}: {}", units::time(time));
    if !waits.is_empty() {
        tip.push_str(&format!(", after {}", units::ranges(waits)));
    }
    let label = tx.to_string();
    let size = (step - 4.0).min(if label.len() > 3 { 30.0 } else { 24.0 });
    let area = around(middle, size, size.min(16.0));
    canvas.transactions(&style(digest, node), area, 8.0, &node.txs, &tip);
    if size >= 6.0 * pixels(label.len()) + 2.0 {
        canvas.text("in", middle.0, middle.1 + 3.5, &label);
    }
}

fn around(middle: (f64, f64), width: f64, height: f64) -> Area {
    Area { x: middle.0 - width / 2.0, y: middle.1 - height / 2.0, width, height }
}

/// The colour of the first transaction, which stands for all of a mark.
fn style(digest: &Digest, node: &Node) -> String {
    let first = node.txs.first().and_then(|tx| digest.stood[*tx as usize]);
    let colour = first.map_or("unseen", |run| class(run.kind));
    format!("{colour}{}", if node.critical { " critical" } else { "" })
}

/// Groups for which there is no room: the largest are drawn, these are the smallest.
fn draw_others(canvas: &mut Canvas, groups: &[Group], y: f64) -> f64 {
    let mut txs: Vec<u32> = groups.iter().flat_map(|group| group.txs.iter().copied()).collect();
    txs.sort_unstable();
    let text =
        format!("{} more, {}", units::count(groups.len(), "group"), units::count(txs.len(), "transaction"));
    let area = Area { x: MARGIN, y: y + 4.0, width: 22.0, height: 16.0 };
    canvas.transactions("unseen", area, 4.0, &txs, &text);
    canvas.text("note", MARGIN + 30.0, y + 16.0, &text);
    y + 28.0
}

/// Transactions without any conflict, in block order.
fn draw_free(canvas: &mut Canvas, digest: &Digest, free: &[u32], top: f64) -> f64 {
    if free.is_empty() {
        return top;
    }
    let text = format!("{} without any conflict", units::count(free.len(), "transaction"));
    canvas.text("note", MARGIN, top + 18.0, &text);
    let (size, gap) = if free.len() <= 150 { (24.0, 4.0) } else { (8.0, 2.0) };
    let height = if free.len() <= 150 { 16.0 } else { 8.0 };
    // One mark each for as many as a page holds.
    let each = free.len().div_ceil(6_000);
    let per_row = (1..).take_while(|count| pixels(*count) * (size + gap) <= ROOM).last().unwrap_or(1);
    for (place, txs) in free.chunks(each).enumerate() {
        let (x, y) = (pixels(place % per_row) * (size + gap), pixels(place / per_row) * (height + gap));
        let area = Area { x: MARGIN + x, y: top + 28.0 + y, width: size, height };
        let node = Node { txs: txs.to_vec(), ..Node::default() };
        let time: u64 =
            txs.iter().filter_map(|tx| digest.stood[*tx as usize].as_ref()).map(duration_ns).sum();
        let unseen = txs.iter().all(|tx| digest.stood[*tx as usize].is_none());
        let time = if unseen { "not among those that were traced".to_owned() } else { units::time(time) };
        let tip = format!("transaction {}: {time}", units::ranges(txs));
        canvas.transactions(&style(digest, &node), area, 8.0, txs, &tip);
        if size > 20.0 {
            canvas.text("in", area.x + size / 2.0, area.y + 11.6, &units::ranges(txs));
        }
    }
    top + 28.0 + pixels(free.len().div_ceil(each).div_ceil(per_row)) * (height + gap)
}
