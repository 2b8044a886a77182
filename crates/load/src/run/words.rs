//! Errors that differ only in whom they are about are one error.

/// `message` with `#` for each number and `0x…` for what is hexadecimal.
pub(crate) fn general(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let (word, mark) = match rest.strip_prefix("0x") {
            Some(digits) => (2 + run(digits, |c| c.is_ascii_hexdigit()), "0x…"),
            None => (run(rest, |c| c.is_ascii_digit()), "#"),
        };
        if word == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push_str(mark);
            rest = &rest[word..];
        }
    }
    out
}

/// Length of the ASCII characters at the start of `text` that are `wanted`, bytes.
fn run(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn numbers_and_hashes_are_left_out() {
        assert_eq!(
            general("nonce too low: next nonce 15, tx nonce 3"),
            "nonce too low: next nonce #, tx nonce #"
        );
        assert_eq!(general("0xAbc1 owes 1.5 ETH – sorry"), "0x… owes #.# ETH – sorry");
        assert_eq!(general(""), "");
    }
}
