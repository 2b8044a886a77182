//! The report in words: one column for each target, and how the first compares.

use std::fmt::Write;

use super::figures::Figures;
use super::stats::{Latency, median};

/// A line of the table.
struct Row {
    label: &'static str,
    decimals: usize,
    of: fn(&Figures) -> Option<f64>,
}

const fn row(label: &'static str, decimals: usize, of: fn(&Figures) -> Option<f64>) -> Row {
    Row { label, decimals, of }
}

fn latency(of: Option<Latency>, part: fn(Latency) -> f64) -> Option<f64> {
    of.map(part)
}

const ROWS: [Row; 19] = [
    row("offered", 0, |it| Some(it.offered as f64)),
    row("accepted", 0, |it| Some(it.accepted as f64)),
    row("included", 0, |it| Some(it.included as f64)),
    row("accepted/s", 0, |it| Some(it.accepted_per_s)),
    row("included/s", 0, |it| Some(it.included_per_s)),
    row("  best second", 0, |it| it.best_second),
    row("  median second", 0, |it| it.median_second),
    row("acknowledged p50, ms", 2, |it| latency(it.acknowledged, |it| it.p50)),
    row("  p90", 2, |it| latency(it.acknowledged, |it| it.p90)),
    row("  p99", 2, |it| latency(it.acknowledged, |it| it.p99)),
    row("  max", 2, |it| latency(it.acknowledged, |it| it.max)),
    row("inclusion p50, ms", 2, |it| latency(it.inclusion, |it| it.p50)),
    row("  p90", 2, |it| latency(it.inclusion, |it| it.p90)),
    row("  p99", 2, |it| latency(it.inclusion, |it| it.p99)),
    row("  max", 2, |it| latency(it.inclusion, |it| it.max)),
    row("server CPU per tx, ms", 4, |it| it.server_cpu_ms),
    row("load CPU per tx, us", 1, |it| Some(it.own_cpu_us)),
    row("receipts looked at", 0, |it| Some(it.receipts as f64)),
    row("not well", 0, |it| Some((it.refused + it.skipped + it.missing + it.reverted) as f64)),
];

/// A target and its rounds.
#[derive(Debug)]
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    pub(crate) rounds: &'a [Figures],
}

/// The table, and below it what went wrong. Figures are medians of the rounds, with the lowest and the highest.
pub(crate) fn text(title: &str, columns: &[Column<'_>]) -> String {
    let mut lines = vec![heading(columns)];
    lines.extend(ROWS.iter().filter_map(|row| line(row, columns)));
    let mut out = format!("{title}\n\n{}", table(&lines));
    columns.iter().for_each(|column| out.push_str(&troubles(column)));
    out
}

fn heading(columns: &[Column<'_>]) -> Vec<String> {
    let names = columns.iter().map(|column| column.name.to_owned());
    let ratios = columns.iter().skip(1).map(|other| format!("{}/{}", columns[0].name, other.name));
    std::iter::once(String::new()).chain(names).chain(ratios).collect()
}

/// `None` if no target has a figure for it.
fn line(row: &Row, columns: &[Column<'_>]) -> Option<Vec<String>> {
    let middles: Vec<Option<f64>> = columns.iter().map(|column| median(values(row, column))).collect();
    middles.iter().flatten().next()?;
    let cells = columns.iter().map(|column| cell(row, column));
    let ratios = middles.iter().skip(1).map(|other| ratio(middles[0], *other));
    Some(std::iter::once(row.label.to_owned()).chain(cells).chain(ratios).collect())
}

fn values(row: &Row, column: &Column<'_>) -> Vec<f64> {
    column.rounds.iter().filter_map(row.of).collect()
}

fn cell(row: &Row, column: &Column<'_>) -> String {
    let values = values(row, column);
    let number = |value: f64| grouped(value, row.decimals);
    let low = values.iter().copied().reduce(f64::min).map(number);
    let high = values.iter().copied().reduce(f64::max).map(number);
    match (median(values).map(number), low, high) {
        (Some(middle), Some(low), Some(high)) if low != high => format!("{middle} ({low} – {high})"),
        (Some(middle), ..) => middle,
        (None, ..) => "–".into(),
    }
}

fn ratio(first: Option<f64>, other: Option<f64>) -> String {
    match (first, other) {
        (Some(first), Some(other)) if other != 0.0 => format!("{:.2}", first / other),
        _ => String::new(),
    }
}

/// With a comma behind each third digit from the point.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && index < whole && (whole - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Columns as wide as what is in them; the first to the left, the others to the right.
fn table(lines: &[Vec<String>]) -> String {
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let mut out = String::new();
    for line in lines {
        let mut text = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = width(column);
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(out, "{}", text.trim_end());
    }
    out
}

fn troubles(column: &Column<'_>) -> String {
    let mut out = String::new();
    for (round, figures) in column.rounds.iter().enumerate() {
        if let Some(flaw) = figures.flaw() {
            let _ = writeln!(out, "\n{}, round {}: {flaw}", column.name, round + 1);
        } else if !figures.errors.is_empty() {
            let _ = writeln!(out, "\n{}, round {}: refused at first:", column.name, round + 1);
        }
        for (words, count) in &figures.errors {
            let _ = writeln!(out, "{:>9}  {words}", grouped(*count as f64, 0));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(included_per_s: f64) -> Figures {
        Figures { included_per_s, ..Figures::default() }
    }

    fn line_of<'a>(text: &'a str, label: &str) -> &'a str {
        text.lines()
            .find(|line| line.trim_start().starts_with(label))
            .unwrap_or_else(|| panic!("{label}: {text}"))
    }

    #[test]
    fn a_figure_is_the_median_of_its_rounds_with_their_spread_and_the_ratio_to_the_first() {
        let ours = [12_000.0, 10_000.0, 11_000.0].map(figures);
        let theirs = [5_500.0].map(figures);
        let columns = [Column { name: "ours", rounds: &ours }, Column { name: "theirs", rounds: &theirs }];
        let text = text("title", &columns);
        assert!(text.starts_with("title\n"));
        let words: Vec<_> = line_of(&text, "included/s").split_whitespace().collect();
        assert_eq!(words, ["included/s", "11,000", "(10,000", "–", "12,000)", "5,500", "2.00"]);
        assert!(line_of(&text, "ours").ends_with("ours/theirs"));
    }

    #[test]
    fn what_nobody_measured_has_no_line() {
        let rounds = [figures(1.0)];
        assert!(!text("", &[Column { name: "a", rounds: &rounds }]).contains("server CPU"));
        let with = [Figures { server_cpu_ms: Some(0.25), ..Figures::default() }];
        let columns = [Column { name: "a", rounds: &rounds }, Column { name: "b", rounds: &with }];
        let text = text("", &columns);
        assert_eq!(
            line_of(&text, "server CPU").split_whitespace().skip(5).collect::<Vec<_>>(),
            ["–", "0.2500"]
        );
    }

    #[test]
    fn errors_are_below_the_table_with_their_round() {
        let rounds = [figures(1.0), Figures { refused: 3, errors: vec![("full".into(), 3)], ..figures(1.0) }];
        let text = text("", &[Column { name: "a", rounds: &rounds }]);
        assert!(text.contains("a, round 2: 3 transactions refused\n        3  full\n"), "{text}");
    }

    #[test]
    fn digits_are_grouped() {
        let cases =
            [(0.0, 0, "0"), (999.0, 0, "999"), (1_000.0, 0, "1,000"), (1_234_567.891, 2, "1,234,567.89")];
        for (value, decimals, expected) in cases {
            assert_eq!(grouped(value, decimals), expected);
        }
    }
}
