//! Progress on a terminal; nothing where there is none.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TEMPLATE: &str = "{prefix:>12} {wide_bar} {pos}/{len} {per_sec} {msg} {elapsed}";

/// A bar for `count` steps of `what`; it is gone once it is dropped.
pub(crate) fn bar(what: String, count: usize) -> Bar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(count as u64), target).with_prefix(what);
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    Bar(bar)
}

/// See [`bar`].
#[derive(Debug)]
pub(crate) struct Bar(ProgressBar);

impl Bar {
    pub(crate) fn step(&self, count: usize) {
        self.0.inc(count as u64);
    }

    pub(crate) fn reach(&self, position: usize) {
        self.0.set_position(position as u64);
    }

    pub(crate) fn say(&self, words: String) {
        self.0.set_message(words);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
