//! The page: heading, figures, workers, conflicts, keys.

use super::{
    Trace,
    canvas::{Area, Canvas, MARGIN, WIDTH},
    digest::{Digest, ratio},
    graph,
    hot::HotKey,
    timeline, units,
};

/// Keys that are named.
const KEYS: usize = 10;

pub(super) fn draw(trace: &Trace<'_>) -> String {
    let digest = trace.digest();
    let hot = super::hot_keys(trace.access, &digest.durations_ns());
    let mut canvas = Canvas::default();
    canvas.text("title", MARGIN, 54.0, trace.title);
    cards(&mut canvas, trace, &digest, 76.0);
    let mut y = 190.0;
    canvas.text("part", MARGIN, y, "Workers");
    timeline::legend(&mut canvas, y);
    y = timeline::draw(&mut canvas, trace.schedule, &digest, y + 22.0) + 36.0;
    canvas.text("part", MARGIN, y, "Conflicts");
    canvas.text("note", MARGIN + 92.0, y, &waves(&digest));
    y = graph::draw(&mut canvas, &digest, y + 14.0) + 36.0;
    if !hot.is_empty() {
        y = keys(&mut canvas, &hot, digest.critical_ns, y);
    }
    canvas.finish(trace.title, y)
}

fn waves(digest: &Digest) -> String {
    let widest = digest.waves.iter().max().copied().unwrap_or(0);
    format!(
        "older to the left; {} in the longest chain, at most {} at one depth; dark: the critical path, {} of {}",
        units::count(digest.waves.len(), "transaction"),
        units::grouped(widest as u64),
        units::count(digest.critical.len(), "transaction"),
        units::time(digest.critical_ns),
    )
}

/// What is to be known at a glance.
fn cards(canvas: &mut Canvas, trace: &Trace<'_>, digest: &Digest, y: f64) {
    let total = trace.schedule.total_ns;
    let speed = trace.serial_ns.filter(|_| total > 0).map_or_else(
        || ("work ÷ time".to_owned(), format!("{:.2}×", ratio(digest.work_ns, total))),
        |serial| ("speed-up".to_owned(), format!("{:.2}×", ratio(serial, total))),
    );
    let cards = [
        ("transactions".to_owned(), units::grouped(trace.transactions as u64)),
        ("gas".to_owned(), units::grouped(trace.gas)),
        (format!("time, {}", units::count(trace.schedule.threads, "worker")), units::time(total)),
        speed,
        ("critical path".to_owned(), units::time(digest.critical_ns)),
        ("parallelism in it".to_owned(), format!("{:.2}×", digest.parallelism())),
        ("stopped · thrown away".to_owned(), format!("{} · {}", digest.escaped, digest.stale)),
        ("time lost to that".to_owned(), units::time(digest.lost_ns)),
    ];
    let width = (WIDTH - 2.0 * MARGIN + 12.0) / 8.0;
    let mut x = MARGIN;
    for (label, value) in cards {
        canvas.rect("card", Area { x, y, width: width - 12.0, height: 66.0 }, 8.0);
        canvas.text("label", x + 14.0, y + 24.0, &label);
        canvas.text("value", x + 14.0, y + 50.0, &value);
        x += width;
    }
}

/// The keys that transactions waited for, each with a bar of what takes turns because of it.
fn keys(canvas: &mut Canvas, hot: &[HotKey], critical_ns: u64, top: f64) -> f64 {
    canvas.text("part", MARGIN, top, "Hottest keys");
    let columns = [MARGIN, MARGIN + 430.0, MARGIN + 560.0, MARGIN + 720.0];
    let y = top + 26.0;
    for (x, head) in columns.iter().zip([
        "key",
        "transactions",
        "waited, all together",
        "in turn: no block that does this is faster",
    ]) {
        canvas.text("note", *x, y, head);
    }
    let longest = hot.iter().map(|key| key.in_turn_ns).max().unwrap_or(0).max(critical_ns).max(1);
    for (row, key) in hot.iter().take(KEYS).enumerate() {
        let y = y + 24.0 * super::layout::pixels(row + 1);
        canvas.line("rule", (MARGIN, y - 16.0), (WIDTH - MARGIN, y - 16.0));
        canvas.text("cell", columns[0], y, &units::key(&key.key, true));
        canvas.text("cell", columns[1], y, &units::grouped(key.transactions as u64));
        canvas.text("cell", columns[2], y, &units::time(key.waited_ns));
        let width = 560.0 * ratio(key.in_turn_ns, longest);
        canvas.rect("bar", Area { x: columns[3], y: y - 10.0, width: width.max(1.0), height: 12.0 }, 3.0);
        canvas.text("label", columns[3] + width + 8.0, y, &units::time(key.in_turn_ns));
    }
    y + 24.0 * super::layout::pixels(hot.len().min(KEYS)) + 36.0
}
