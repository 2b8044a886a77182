//! From what happened to figures, and from figures to text, JSON and a plot.

mod figures;
mod json;
mod plot;
mod stats;
mod text;

pub use figures::{Figures, Second};
pub(crate) use json::json;
pub(crate) use plot::plot;
pub use stats::Latency;
pub(crate) use text::{Column, text};
