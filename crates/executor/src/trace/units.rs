//! Numbers as people read them.

use lockstep_locks::Key;

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A duration with three digits and its unit.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {unit}")
}

/// `1 transaction`, `2 transactions`.
pub(super) fn count(number: usize, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", grouped(number as u64))
}

/// A key in words; `short` leaves only both ends of long values.
pub(super) fn key(key: &Key, short: bool) -> String {
    let address = |address: &alloy_primitives::Address| {
        let full = address.to_string();
        if short { ends(&full, 6) } else { full }
    };
    match key {
        Key::Balance(of) => format!("balance of {}", address(of)),
        Key::Nonce(of) => format!("nonce of {}", address(of)),
        Key::Code(of) => format!("code of {}", address(of)),
        Key::Slot(of, slot) => {
            let slot = format!("{slot:#x}");
            format!("slot {} of {}", if short { ends(&slot, 6) } else { slot }, address(of))
        }
    }
}

fn ends(text: &str, keep: usize) -> String {
    if text.len() <= 2 * keep + 1 {
        text.to_owned()
    } else {
        format!("{}…{}", &text[..keep], &text[text.len() - keep + 2..])
    }
}

/// Sorted numbers as ranges: `1-4 7`.
pub(super) fn ranges(numbers: &[u32]) -> String {
    let mut out = String::new();
    let mut rest = numbers;
    while let [first, ..] = rest {
        let run = rest.iter().zip(*first..).take_while(|(number, wanted)| *number == wanted).count();
        let last = rest[run - 1];
        out.push_str(if out.is_empty() { "" } else { " " });
        out.push_str(&if run == 1 { first.to_string() } else { format!("{first}-{last}") });
        rest = &rest[run..];
    }
    out
}
