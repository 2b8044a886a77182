//! Encodes a load with every codec, checks, times, and says what it cost.

use std::{fmt, time::Duration};

use lockstep_codec::BatchBlock;

use crate::{
    Codec, Column, Load, Peer, Unfit,
    clock::{Timing, time},
    ours::Ours,
    split::{Sealed, split},
};

/// What takes longer is measured once: it is far from 1 % of accuracy mattering.
const SLOW: Duration = Duration::from_secs(2);

/// Why a load was not measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A codec refuses it.
    #[error("{codec} does not encode it: {reason}")]
    Encode {
        /// Name of the codec.
        codec: &'static str,
        /// In its words.
        reason: String,
    },
    /// A codec does not give back what went in.
    #[error("{codec} does not decode to what was encoded: {reason}")]
    Decode {
        /// Name of the codec.
        codec: &'static str,
        /// What differs.
        reason: String,
    },
}

impl MeasureError {
    pub(crate) const fn failed(codec: &'static str, reason: String) -> Self {
        Self::Encode { codec, reason }
    }
}

/// What a load cost with one codec.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Name of the codec.
    pub codec: &'static str,
    /// Name of the load.
    pub load: String,
    /// Transactions in the load.
    pub transactions: usize,
    /// Channels that it was split into.
    pub channels: usize,
    /// Bytes of all channels.
    pub bytes: usize,
    /// Processor time to encode them all, on one thread.
    pub encode: Duration,
    /// Processor time to decode them all, on one thread.
    pub decode: Duration,
    /// What the parts of the channels cost; empty where that is not known.
    pub columns: Vec<Column>,
}

/// Encodes `load` with our codec and those of peers, ours first.
///
/// What every codec wrote is decoded and compared before anything is timed. Then all are timed in turns, one round
/// after the other; the median counts.
///
/// # Errors
/// [`MeasureError`] if a codec refuses the load or does not give it back.
pub fn measure(load: &Load, timing: Timing) -> Result<Vec<Measurement>, MeasureError> {
    let peers = Peer::all(load.chain_id()).map(|peer| Box::new(peer) as Box<dyn Codec>);
    let codecs = std::iter::once(Box::new(Ours::default()) as Box<dyn Codec>).chain(peers);
    let mut subjects = codecs.map(|codec| Subject::new(codec, load)).collect::<Result<Vec<_>, _>>()?;
    for _ in 0..timing.rounds {
        subjects.iter_mut().for_each(|subject| subject.round(timing.shortest));
    }
    Ok(subjects.iter().map(|subject| subject.measurement(load)).collect())
}

impl Measurement {
    /// All of `parts`, which are of the same codec, as one; `None` without parts.
    #[must_use]
    pub fn total(name: &str, parts: &[&Self]) -> Option<Self> {
        let mut parts = parts.iter();
        let mut total = Self { load: name.to_owned(), ..(*parts.next()?).clone() };
        for part in parts {
            total.transactions += part.transactions;
            total.channels += part.channels;
            total.bytes += part.bytes;
            total.encode += part.encode;
            total.decode += part.decode;
            Column::add(&mut total.columns, part.columns.clone());
        }
        Some(total)
    }

    /// Encoded bytes for each transaction.
    #[must_use]
    pub fn bytes_per_tx(&self) -> f64 {
        exact(self.bytes) / exact(self.transactions)
    }

    /// The columns as a table; `None` where they are not known.
    #[must_use]
    pub fn table(&self) -> Option<String> {
        (!self.columns.is_empty()).then(|| Column::table(&self.columns, self.transactions))
    }
}

impl Column {
    /// A table of `columns` of a channel with this many transactions.
    #[must_use]
    pub fn table(columns: &[Self], transactions: usize) -> String {
        let sum: f64 = columns.iter().map(Self::bytes).sum();
        let mut out = format!("{:<24} {:>12} {:>12} {:>8}\n", "column", "bytes", "bytes_per_tx", "share");
        let mut line = |name: &str, bytes: f64| {
            let per_tx = if transactions == 0 { 0.0 } else { bytes / exact(transactions) };
            let share = if sum == 0.0 { 0.0 } else { 100.0 * bytes / sum };
            out.push_str(&format!("{name:<24} {bytes:>12.1} {per_tx:>12.3} {share:>7.2}%\n"));
        };
        columns.iter().for_each(|column| line(&column.name, column.bytes()));
        line("sum", sum);
        out
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |time: Duration| exact(self.transactions) / time.as_secs_f64();
        write!(
            f,
            "result codec={} txs={} bytes={} bytes_per_tx={:.2} encode_tx_s={:.0} decode_tx_s={:.0} channels={} load={}",
            self.codec,
            self.transactions,
            self.bytes,
            self.bytes_per_tx(),
            rate(self.encode),
            rate(self.decode),
            self.channels,
            self.load,
        )
    }
}

/// One codec with its channels, and how long it took.
struct Subject {
    name: &'static str,
    channels: Vec<Sealed>,
    encode: Vec<Duration>,
    decode: Vec<Duration>,
}

impl Subject {
    /// Encodes, and compares what decodes with what went in.
    fn new(codec: Box<dyn Codec>, load: &Load) -> Result<Self, MeasureError> {
        let name = codec.name();
        let channels = split(codec, load)?;
        for sealed in &channels {
            let decoded = sealed.codec.decode(&sealed.bytes);
            check(&sealed.channel.blocks, decoded)
                .map_err(|reason| MeasureError::Decode { codec: name, reason })?;
        }
        Ok(Self { name, channels, encode: Vec::new(), decode: Vec::new() })
    }

    fn round(&mut self, shortest: Duration) {
        let channels = &self.channels;
        measure_again(&mut self.encode, shortest, || {
            channels
                .iter()
                .map(|sealed| {
                    sealed.codec.encode(&sealed.channel, &sealed.senders).map_or(0, |bytes| bytes.len())
                })
                .sum()
        });
        measure_again(&mut self.decode, shortest, || {
            channels
                .iter()
                .map(|sealed| sealed.codec.decode(&sealed.bytes).map_or(0, |blocks| blocks.len()))
                .sum()
        });
    }

    fn measurement(&self, load: &Load) -> Measurement {
        let mut columns = Vec::new();
        for sealed in &self.channels {
            Column::add(&mut columns, sealed.codec.columns(&sealed.channel, &sealed.senders));
        }
        Measurement {
            codec: self.name,
            load: load.name.clone(),
            transactions: load.transactions(),
            channels: self.channels.len(),
            bytes: self.channels.iter().map(|sealed| sealed.bytes.len()).sum(),
            encode: median(&self.encode),
            decode: median(&self.decode),
            columns,
        }
    }
}

/// Adds a measurement, unless the first has shown that it takes long.
fn measure_again(times: &mut Vec<Duration>, shortest: Duration, work: impl FnMut() -> usize) {
    if times.first().is_none_or(|first| *first < SLOW) {
        times.push(time(shortest, work));
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn check(expected: &[BatchBlock], decoded: Result<Vec<BatchBlock>, Unfit>) -> Result<(), String> {
    let decoded = decoded.map_err(|error| error.to_string())?;
    if decoded.len() != expected.len() {
        return Err(format!("{} blocks instead of {}", decoded.len(), expected.len()));
    }
    match decoded.iter().zip(expected).position(|(found, expected)| found != expected) {
        Some(index) => Err(format!("block {index} of a channel differs")),
        None => Ok(()),
    }
}

/// Counts in memory are far below the 2^53 that an `f64` holds exactly.
#[allow(clippy::cast_precision_loss)]
const fn exact(count: usize) -> f64 {
    count as f64
}
