//! SVG elements, written one after the other.

use std::fmt::{Display, Write};

use super::units;
use crate::RunKind;

/// Width of the document, in pixels.
pub(super) const WIDTH: f64 = 1480.0;
/// Room left and right of everything.
pub(super) const MARGIN: f64 = 40.0;

const STYLE: &str = "\
text{font-family:Inter,'Segoe UI','Helvetica Neue','DejaVu Sans',Arial,sans-serif;fill:#1e293b}\
.title{font-size:26px;font-weight:700}.part{font-size:16px;font-weight:700}.note{font-size:12px;fill:#64748b}\
.label{font-size:12px;fill:#475569}.value{font-size:20px;font-weight:700}.cell{font-size:12px}\
.tick{font-size:11px;fill:#94a3b8}.in{font-size:10px;fill:#ffffff;font-weight:700;text-anchor:middle}\
.end{text-anchor:end}.mid{text-anchor:middle}\
.executed{fill:#3b78c4}.transfer{fill:#2f9e8f}.head{fill:#7c5cbf}\
.escaped{fill:url(#escaped)}.stale{fill:url(#stale)}.panicked{fill:#111827}.unseen{fill:#cbd5e1}\
.critical{stroke:#0f172a;stroke-width:1.6}\
.wait{fill:none;stroke:#475569;stroke-width:1;stroke-opacity:.45}\
.missed{fill:none;stroke:#d97706;stroke-width:1.3;stroke-dasharray:4 3}\
.edge{fill:none;stroke:#94a3b8;stroke-width:1;stroke-opacity:.7}\
.path{fill:none;stroke:#0f172a;stroke-width:2}\
.rule{stroke:#e2e8f0;stroke-width:1}.lane{fill:#f1f5f9}.card{fill:#f8fafc;stroke:#e2e8f0}.bar{fill:#e2a03f}";

const PATTERNS: &str = "<defs>\
<pattern id=\"escaped\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"6\" height=\"6\" fill=\"#f5b942\"/><rect width=\"2.4\" height=\"6\" fill=\"#d98a06\"/></pattern>\
<pattern id=\"stale\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<rect width=\"6\" height=\"6\" fill=\"#e5677b\"/><rect width=\"2.4\" height=\"6\" fill=\"#b91c3c\"/></pattern></defs>";

/// The style of a run.
pub(super) const fn class(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Executed => "executed",
        RunKind::Transfer => "transfer",
        RunKind::Escaped(_) => "escaped",
        RunKind::Stale => "stale",
        RunKind::Head => "head",
        RunKind::Panicked => "panicked",
    }
}

/// The inside of a document.
#[derive(Default)]
pub(super) struct Canvas {
    body: String,
}

/// A position or a length: one digit after the point is enough, and the same everywhere.
pub(super) struct Px(pub(super) f64);

impl Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.1}", self.0);
        f.write_str(text.strip_suffix(".0").unwrap_or(&text))
    }
}

/// A rectangle.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Canvas {
    /// The document, `height` pixels high.
    pub(super) fn finish(self, title: &str, height: f64) -> String {
        let (width, height) = (Px(WIDTH), Px(height));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n{PATTERNS}\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            escape(title),
            self.body
        )
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let (x, y, text) = (Px(x), Px(y), escape(text));
        self.push(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"));
    }

    pub(super) fn rect(&mut self, class: &str, area: Area, radius: f64) {
        self.push(format_args!("<rect class=\"{class}\"{}/>", area_attributes(area, radius)));
    }

    /// A rectangle that stands for transactions, with a text that shows when pointed at.
    pub(super) fn transactions(&mut self, class: &str, area: Area, radius: f64, txs: &[u32], tip: &str) {
        let (area, txs, tip) = (area_attributes(area, radius), units::ranges(txs), escape(tip));
        self.push(format_args!(
            "<rect class=\"{class}\" data-tx=\"{txs}\"{area}><title>{tip}</title></rect>"
        ));
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
        self.push(format_args!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    /// A curve that leaves and arrives horizontally (`flat`) or vertically.
    pub(super) fn curve(&mut self, class: &str, from: (f64, f64), to: (f64, f64), flat: bool) {
        let (mid_x, mid_y) = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        let (first, second) =
            if flat { ((mid_x, from.1), (mid_x, to.1)) } else { ((from.0, mid_y), (to.0, mid_y)) };
        let place = |point: (f64, f64)| format!("{} {}", Px(point.0), Px(point.1));
        let (from, to, first, second) = (place(from), place(to), place(first), place(second));
        self.push(format_args!("<path class=\"{class}\" d=\"M{from}C{first} {second} {to}\"/>"));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("writing to a string does not fail");
    }
}

fn area_attributes(area: Area, radius: f64) -> String {
    let Area { x, y, width, height } = area;
    let radius = radius.min(width / 2.0).min(height / 2.0);
    let rounded = if radius < 0.5 { String::new() } else { format!(" rx=\"{}\"", Px(radius)) };
    format!(" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{rounded}", Px(x), Px(y), Px(width), Px(height))
}

/// Text as XML has it; characters that XML cannot hold are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}
