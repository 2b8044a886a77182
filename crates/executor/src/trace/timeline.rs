//! One lane per worker, time to the right.

use std::collections::BTreeMap;

use lockstep_locks::TxIndex;

use super::{
    canvas::{Area, Canvas, MARGIN, WIDTH, class},
    digest::{Digest, duration_ns, index, ratio},
    units,
};
use crate::{Run, RunKind, Schedule};

const LEFT: f64 = MARGIN + 84.0;
const RIGHT: f64 = WIDTH - MARGIN - 64.0;
/// Narrower runs of one kind that touch are drawn as one.
const MIN_WIDTH: f64 = 2.0;
/// More lines would hide what they connect.
const MAX_WAITS: usize = 240;

/// Where time and workers are.
struct Frame {
    top: f64,
    total_ns: u64,
    lane: f64,
}

impl Frame {
    fn x(&self, ns: u64) -> f64 {
        LEFT + ratio(ns, self.total_ns).min(1.0) * (RIGHT - LEFT)
    }

    fn y(&self, worker: u32) -> f64 {
        self.top + f64::from(worker) * (self.lane + 6.0)
    }

    fn area(&self, worker: u32, start_ns: u64, end_ns: u64) -> Area {
        let (x, end) = (self.x(start_ns), self.x(end_ns));
        Area { x, y: self.y(worker) + 2.0, width: (end - x - 0.4).max(0.8), height: self.lane - 4.0 }
    }
}

/// Draws below `top`; returns where it ends.
pub(super) fn draw(canvas: &mut Canvas, schedule: &Schedule, digest: &Digest, top: f64) -> f64 {
    let lanes = workers(schedule);
    let last_end = schedule.runs.iter().map(|run| run.end_ns).max().unwrap_or(0);
    let lane = match lanes {
        0..=8 => 36.0,
        9..=16 => 24.0,
        17..=32 => 16.0,
        _ => 10.0,
    };
    let frame = Frame { top: top + 18.0, total_ns: schedule.total_ns.max(last_end).max(1), lane };
    let bottom = frame.y(lanes);
    axis(canvas, &frame, bottom);
    for worker in 0..lanes {
        draw_lane(canvas, &frame, schedule, worker);
    }
    // Behind the runs: in front, many lines would hide them.
    draw_waits(canvas, &frame, schedule, digest);
    for worker in 0..lanes {
        draw_runs(canvas, &frame, schedule, worker);
    }
    bottom
}

fn workers(schedule: &Schedule) -> u32 {
    let used = schedule.runs.iter().map(|run| run.worker + 1).max().unwrap_or(0);
    used.max(u32::try_from(schedule.threads).unwrap_or(u32::MAX).min(256)).max(1)
}

fn axis(canvas: &mut Canvas, frame: &Frame, bottom: f64) {
    let step = tick_step(frame.total_ns);
    for ns in (0..=frame.total_ns / step).map(|tick| tick * step) {
        let x = frame.x(ns);
        canvas.line("rule", (x, frame.top - 4.0), (x, bottom));
        canvas.text("tick mid", x, frame.top - 9.0, &units::time(ns));
    }
}

/// The smallest of 1, 2, 5 times a power of ten that needs at most twelve steps.
fn tick_step(total_ns: u64) -> u64 {
    let powers = std::iter::successors(Some(1_u64), |power| power.checked_mul(10));
    let mut steps = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor)));
    steps.find(|step| total_ns / step <= 12).unwrap_or(u64::MAX)
}

fn draw_lane(canvas: &mut Canvas, frame: &Frame, schedule: &Schedule, worker: u32) {
    let y = frame.y(worker);
    let back = Area { x: LEFT, y, width: RIGHT - LEFT, height: frame.lane };
    canvas.rect("lane", back, 4.0);
    let busy = schedule.runs.iter().filter(|run| run.worker == worker).map(duration_ns).sum();
    let share = 100.0 * ratio(busy, frame.total_ns);
    let middle = y + frame.lane / 2.0 + 4.0;
    if frame.lane >= 16.0 || worker.is_multiple_of(4) {
        let name = if worker == 0 { "caller".to_owned() } else { format!("worker {worker}") };
        canvas.text("label end", LEFT - 10.0, middle, &name);
        canvas.text("label", RIGHT + 10.0, middle, &format!("{share:.0}% busy"));
    }
}

fn draw_runs(canvas: &mut Canvas, frame: &Frame, schedule: &Schedule, worker: u32) {
    let runs: Vec<&Run> = schedule.runs.iter().filter(|run| run.worker == worker).collect();
    let mut rest = runs.as_slice();
    while !rest.is_empty() {
        let (group, later) = rest.split_at(group_length(frame, rest));
        draw_group(canvas, frame, worker, group);
        rest = later;
    }
}

/// How many runs from the first on become one rectangle: those of its kind, until it can be seen.
fn group_length(frame: &Frame, runs: &[&Run]) -> usize {
    let mut length = 1;
    while let Some(next) = runs.get(length) {
        let wide = frame.x(runs[length - 1].end_ns) - frame.x(runs[0].start_ns) >= MIN_WIDTH;
        let apart = frame.x(next.start_ns) - frame.x(runs[length - 1].end_ns) >= 1.0;
        if wide || apart || class(next.kind) != class(runs[0].kind) {
            break;
        }
        length += 1;
    }
    length
}

fn draw_group(canvas: &mut Canvas, frame: &Frame, worker: u32, group: &[&Run]) {
    let [first, .., last] = group else {
        if let [run] = group {
            draw_run(canvas, frame, run);
        }
        return;
    };
    let mut txs: Vec<u32> = group.iter().map(|run| run.tx.0).collect();
    txs.sort_unstable();
    txs.dedup();
    let time: u64 = group.iter().map(|run| duration_ns(run)).sum();
    let tip = format!("transactions {}: {}, {}", units::ranges(&txs), name(first.kind), units::time(time));
    canvas.transactions(class(first.kind), frame.area(worker, first.start_ns, last.end_ns), 0.0, &txs, &tip);
}

fn draw_run(canvas: &mut Canvas, frame: &Frame, run: &Run) {
    let area = frame.area(run.worker, run.start_ns, run.end_ns);
    let mut tip = format!("transaction {}: {}, {}", run.tx.0, name(run.kind), units::time(duration_ns(run)));
    if let RunKind::Escaped(older) = run.kind {
        tip.push_str(&format!(", waits for {}", older.0));
    }
    canvas.transactions(class(run.kind), area, 2.5, &[run.tx.0], &tip);
    let label = run.tx.0.to_string();
    let room = 7.0 * f64::from(u32::try_from(label.len()).unwrap_or(u32::MAX)) + 4.0;
    if area.width >= room && area.height >= 11.0 {
        canvas.text("in", area.x + area.width / 2.0, area.y + area.height / 2.0 + 3.6, &label);
    }
}

const fn name(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Executed => "executed",
        RunKind::Transfer => "plain transfer",
        RunKind::Escaped(_) => "stopped at an unpredicted key",
        RunKind::Stale => "had read something old, thrown away",
        RunKind::Head => "executed at its turn",
        RunKind::Panicked => "worker panicked",
    }
}

/// From the end of the last one that a run had to wait for to its start, where the two are on different lanes; and
/// from every escape to the run that it waited for.
fn draw_waits(canvas: &mut Canvas, frame: &Frame, schedule: &Schedule, digest: &Digest) {
    let mut waits: BTreeMap<(u64, u32), (Run, Run)> = BTreeMap::new();
    let stood = |tx: TxIndex| digest.stood.get(index(tx)).copied().flatten();
    let mut holders: BTreeMap<TxIndex, Vec<Run>> = BTreeMap::new();
    for (older, younger) in &schedule.conflicts {
        holders.entry(*younger).or_default().extend(stood(*older));
    }
    for (run, holders) in holders.iter().filter_map(|(tx, holders)| Some((stood(*tx)?, holders))) {
        let last = holders.iter().copied().max_by_key(|older| older.end_ns);
        if let Some(older) = last.filter(|older| older.worker != run.worker) {
            waits.insert((run.start_ns.saturating_sub(older.end_ns), run.tx.0), (older, run));
        }
    }
    // The shorter the pause, the surer that it was this one that held the other up.
    for (older, run) in waits.values().take(MAX_WAITS) {
        connect(canvas, frame, "wait", older, run.worker, run.start_ns);
    }
    let escapes = schedule.runs.iter().filter_map(|run| match run.kind {
        RunKind::Escaped(older) => Some((stood(older)?, run)),
        _ => None,
    });
    for (older, run) in escapes.take(MAX_WAITS) {
        connect(canvas, frame, "missed", &older, run.worker, run.end_ns);
    }
}

fn connect(canvas: &mut Canvas, frame: &Frame, class: &str, older: &Run, worker: u32, at_ns: u64) {
    let down = older.worker < worker;
    let edge = |lane: u32, lower: bool| frame.y(lane) + if lower { frame.lane - 2.0 } else { 2.0 };
    let from = (frame.x(older.end_ns), edge(older.worker, down));
    let to = (frame.x(at_ns), edge(worker, !down));
    canvas.curve(class, from, to, false);
}

/// What the colours mean, in one row that ends at the right margin.
pub(super) fn legend(canvas: &mut Canvas, y: f64) {
    let entries = [
        ("executed", "executed"),
        ("transfer", "plain transfer"),
        ("head", "at its turn"),
        ("escaped", "stopped at an unpredicted key"),
        ("stale", "thrown away"),
    ];
    let mut x = WIDTH - MARGIN;
    for (class, text) in entries.iter().rev() {
        x -= 6.4 * f64::from(u32::try_from(text.len()).unwrap_or(u32::MAX)) + 38.0;
        canvas.rect(class, Area { x, y: y - 10.0, width: 14.0, height: 12.0 }, 2.5);
        canvas.text("note", x + 20.0, y, text);
    }
    x -= 108.0;
    canvas.curve("wait", (x, y - 10.0), (x + 16.0, y + 2.0), false);
    canvas.text("note", x + 22.0, y, "waited for");
}
