//! What each column costs.

use alloc::collections::BTreeMap;

use crate::range::{Coder, Column, Fault, Part};

/// Counts instead of writing.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    column: Column,
    bits: BTreeMap<Column, f64>,
    text: BTreeMap<Column, usize>,
}

impl Meter {
    fn add(&mut self, bits: f64) {
        *self.bits.entry(self.column).or_default() += bits;
    }

    /// Bytes of each column, those of the header beside them; all text takes `packed_bytes`.
    pub(crate) fn column_bytes(self, header_bytes: usize, packed_bytes: usize) -> BTreeMap<Column, f64> {
        let mut bytes: BTreeMap<Column, f64> =
            self.bits.into_iter().map(|(column, bits)| (column, bits / 8.0)).collect();
        let all_text: usize = self.text.values().sum();
        for (column, text) in self.text {
            *bytes.entry(column).or_default() += text as f64 * packed_bytes as f64 / all_text.max(1) as f64;
        }
        bytes.insert(Column::Header, header_bytes as f64);
        bytes
    }
}

impl Coder for Meter {
    const READS: bool = false;

    fn bit(&mut self, one: u32, bit: bool) -> bool {
        let chance = if bit { one } else { 4096 - one };
        self.add(12.0 - f64::from(chance).log2());
        bit
    }

    fn part(&mut self, part: Part, total: u32, _: impl FnOnce(u32) -> Part) {
        self.add((f64::from(total) / f64::from(part.size)).log2());
    }

    fn bits(&mut self, count: u32, value: u64) -> u64 {
        self.add(f64::from(count));
        value
    }

    fn raw(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        self.add(8.0 * bytes.len() as f64);
        Ok(())
    }

    fn text(&mut self, bytes: &mut [u8]) -> Result<(), Fault> {
        *self.text.entry(self.column).or_default() += bytes.len();
        Ok(())
    }

    fn spend(&mut self, _: usize) -> Result<(), Fault> {
        Ok(())
    }

    fn column(&mut self, column: Column) {
        self.column = column;
    }
}
