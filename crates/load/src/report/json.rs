//! All figures for programs.

use serde_json::{Value, json as value};

use super::text::Column;

/// `{title, targets: [{name, rounds: [figures]}]}`; the fields of [`Figures`](super::Figures) say their units.
pub(crate) fn json(title: &str, columns: &[Column<'_>]) -> Value {
    let targets: Vec<_> =
        columns.iter().map(|column| value!({"name": column.name, "rounds": column.rounds})).collect();
    value!({"title": title, "targets": targets})
}
