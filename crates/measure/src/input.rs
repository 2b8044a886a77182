//! Loads as text: a `0x`-hex signed transaction a line, a blank line at the end of each block.

use std::{
    io::{self, BufRead, BufReader, Cursor, Read},
    str,
};

use alloy_primitives::{Bytes, hex};

use crate::{Load, LoadError};

/// Longest text that is read, inflated: a day of a busy chain.
const MAX_TEXT_BYTES: u64 = 4 << 30;
/// What a zstd frame begins with (RFC 8878).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Why a text is no load.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It cannot be read to its end.
    #[error("{name}: cannot be read")]
    Unreadable {
        /// The text's name.
        name: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is longer than [`MAX_TEXT_BYTES`].
    #[error("{0}: longer than {MAX_TEXT_BYTES} bytes")]
    TooLong(String),
    /// It holds no transaction.
    #[error("{0}: no transactions")]
    Empty(String),
    /// A line is not hexadecimal.
    #[error("{name}:{line}: not hexadecimal: {reason}")]
    Hex {
        /// The text's name.
        name: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A line is not a transaction that can be measured.
    #[error("{name}:{line}: {reason}")]
    Transaction {
        /// The text's name.
        name: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: LoadError,
    },
}

impl Load {
    /// Reads a load from text, compressed with zstd or not.
    ///
    /// A blank line ends a block, so one blank line after another makes a block without transactions. The last
    /// block needs none.
    ///
    /// # Errors
    /// [`InputError`] names the line.
    pub fn read(name: &str, text: impl Read) -> Result<Self, InputError> {
        let unreadable = |source| InputError::Unreadable { name: name.to_owned(), source };
        let mut reader = Parser::new(name);
        let mut text = inflated(text).map_err(unreadable)?.take(MAX_TEXT_BYTES + 1);
        let mut line = Vec::new();
        while text.read_until(b'\n', &mut line).map_err(unreadable)? > 0 {
            if text.limit() == 0 {
                return Err(InputError::TooLong(name.to_owned()));
            }
            reader.line(line.trim_ascii())?;
            line.clear();
        }
        reader.finish()
    }
}

/// `text` itself, or what it inflates to.
fn inflated<'a>(mut text: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut head = Vec::new();
    text.by_ref().take(ZSTD_MAGIC.len() as u64).read_to_end(&mut head)?;
    let compressed = head == ZSTD_MAGIC;
    let whole = Cursor::new(head).chain(text);
    if compressed {
        return Ok(Box::new(BufReader::new(zstd::Decoder::new(whole)?)));
    }
    Ok(Box::new(BufReader::new(whole)))
}

/// A load that grows line by line.
struct Parser {
    load: Load,
    transactions: Vec<Bytes>,
    senders: Vec<alloy_primitives::Address>,
    line: usize,
}

impl Parser {
    fn new(name: &str) -> Self {
        Self { load: Load::new(name), transactions: Vec::new(), senders: Vec::new(), line: 0 }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), InputError> {
        self.line += 1;
        if text.is_empty() {
            self.end_block();
            return Ok(());
        }
        let raw = self.bytes(text)?;
        let sender = self.load.check(&raw).map_err(|reason| InputError::Transaction {
            name: self.load.name.clone(),
            line: self.line,
            reason,
        })?;
        self.transactions.push(raw);
        self.senders.push(sender);
        Ok(())
    }

    fn bytes(&self, text: &[u8]) -> Result<Bytes, InputError> {
        let (name, line) = (&self.load.name, self.line);
        let wrong = |reason: String| InputError::Hex { name: name.clone(), line, reason };
        if !text.starts_with(b"0x") {
            return Err(wrong("no 0x in front".to_owned()));
        }
        hex::decode(text).map(Bytes::from).map_err(|error| wrong(error.to_string()))
    }

    fn end_block(&mut self) {
        let (transactions, senders) =
            (std::mem::take(&mut self.transactions), std::mem::take(&mut self.senders));
        self.load.push_checked(transactions, senders);
    }

    fn finish(mut self) -> Result<Load, InputError> {
        if !self.transactions.is_empty() {
            self.end_block();
        }
        if self.load.transactions() == 0 { Err(InputError::Empty(self.load.name)) } else { Ok(self.load) }
    }
}
