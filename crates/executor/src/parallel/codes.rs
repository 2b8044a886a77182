//! A worker's own copies of codes.
//!
//! The EVM clones the code of every account that it loads, several times: on a contract that all threads call, they
//! would spend more time on its reference count than on anything else.

use alloy_primitives::map::B256Map;
use revm::{DatabaseRef, bytecode::Bytecode, state::AccountInfo};

use super::{cells::Seq, ground::Ground};
use crate::flat::has_no_code;

/// Codes by hash: `None` until the second use, since a copy costs as much as a few clones.
#[derive(Debug)]
pub(crate) struct Codes {
    none: Bytecode,
    copies: B256Map<Option<Bytecode>>,
}

impl Default for Codes {
    fn default() -> Self {
        let none = Bytecode::default();
        Self { none: copy(&none), copies: B256Map::default() }
    }
}

impl Codes {
    /// The code of `info`, which is the account of `cell` as `seq` saw it; `None` if it sees another code by now.
    pub(crate) fn get<D: DatabaseRef>(
        &mut self,
        ground: Ground<'_, D>,
        cell: u32,
        seq: Seq,
        info: &AccountInfo,
    ) -> Result<Option<Bytecode>, D::Error> {
        if has_no_code(info) {
            return Ok(Some(self.none.clone()));
        }
        if let Some(Some(copy)) = self.copies.get(&info.code_hash) {
            return Ok(Some(copy.clone()));
        }
        // An older transaction that no lock orders may have written in between.
        let now = ground.account(cell, seq)?.filter(|now| now.code_hash == info.code_hash);
        let Some(code) = now.and_then(|now| now.code) else { return Ok(None) };
        let uses = self.copies.entry(info.code_hash);
        uses.and_modify(|second| *second = Some(copy(&code))).or_insert(None);
        Ok(Some(code))
    }
}

/// The same code under a reference count of its own.
fn copy(code: &Bytecode) -> Bytecode {
    match code.legacy_jump_table() {
        Some(table) => Bytecode::new_analyzed(code.bytecode().clone(), code.len(), table.clone()),
        None => code.clone(),
    }
}
