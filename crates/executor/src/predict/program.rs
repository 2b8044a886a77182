//! A template as it is evaluated: every value once, hashes of constants never.

use alloy_primitives::{Address, B256, U256, keccak256, map::HashMap};
use lockstep_locks::{AccessSet, Key, Mode};
use smallvec::SmallVec;

use super::{
    expr::{Atom, Expr, Field, Part, low_160},
    facts::Call,
    memo::Memo,
    memory::Memory,
};

/// One value, made of values before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Op {
    Given(Atom),
    Load { address: u16, slot: u16, field: Field },
    Hash { pieces: Box<[Piece]>, offset: Option<u16>, is_address: bool },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Word(u16),
    Address(u16),
    Bytes(Box<[u8]>),
}

/// Which key of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Balance,
    Nonce,
    Code,
    Slot,
}

impl Kind {
    pub(super) fn key(self, address: Address, slot: U256) -> Key {
        match self {
            Self::Balance => Key::Balance(address),
            Self::Nonce => Key::Nonce(address),
            Self::Code => Key::Code(address),
            Self::Slot => Key::Slot(address, slot),
        }
    }
}

#[derive(Clone, Debug)]
struct Target {
    kind: Kind,
    address: u16,
    /// Value of the address if `kind` has no slot.
    slot: u16,
    mode: Mode,
}

/// What computes the keys of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    ops: Vec<Op>,
    targets: Vec<Target>,
}

impl Program {
    /// Adds the keys of `call` to `set`; whether all of them were known.
    pub(super) fn run(&self, call: &Call<'_>, memory: &Memory, memo: &Memo, set: &mut AccessSet) -> bool {
        let mut values = Values::new();
        for op in &self.ops {
            let value = op.value(call, memory, memo, &values);
            values.push(value);
        }
        let mut is_complete = true;
        for target in &self.targets {
            match (values[usize::from(target.address)], values[usize::from(target.slot)]) {
                (Some(address), Some(slot)) => {
                    set.add(target.kind.key(to_address(address), slot), target.mode)
                }
                _ => is_complete = false,
            }
        }
        is_complete
    }
}

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    program: Program,
    places: HashMap<Op, u16>,
}

impl Builder {
    /// Adds a key. `slot` is `None` for keys other than slots.
    pub(super) fn push(&mut self, kind: Kind, address: &Expr, slot: Option<&Expr>, mode: Mode) {
        let Some(address) = self.lower(address) else { return };
        let Some(slot) = slot.map_or(Some(address), |slot| self.lower(slot)) else { return };
        self.program.targets.push(Target { kind, address, slot, mode });
    }

    pub(super) fn finish(self) -> Program {
        self.program
    }

    /// Index of the value that `expr` has; `None` if there are too many.
    fn lower(&mut self, expr: &Expr) -> Option<u16> {
        let op = match expr {
            Expr::Leaf(atoms) => match atoms.first()? {
                Atom::Loaded(loaded) => {
                    let (address, slot) = (self.lower(&loaded.address)?, self.lower(&loaded.slot)?);
                    Op::Load { address, slot, field: loaded.field }
                }
                atom => Op::Given(atom.clone()),
            },
            Expr::Hash { parts, offset, is_address } => {
                let offset = Some(self.lower(offset)?).filter(|at| self.constant(*at) != Some(U256::ZERO));
                let pieces = parts.iter().map(|part| self.lower_part(part)).collect::<Option<_>>()?;
                let op = Op::Hash { pieces, offset, is_address: *is_address };
                match op.hash(|input| keccak256(input), |at| self.constant(at)) {
                    Some(value) => Op::Given(Atom::Constant(value)),
                    None => op,
                }
            }
        };
        if let Some(at) = self.places.get(&op) {
            return Some(*at);
        }
        let at = u16::try_from(self.program.ops.len()).ok()?;
        self.program.ops.push(op.clone());
        self.places.insert(op, at);
        Some(at)
    }

    fn lower_part(&mut self, part: &Part) -> Option<Piece> {
        Some(match part {
            Part::Word(word) => Piece::Word(self.lower(word)?),
            Part::Address(address) => Piece::Address(self.lower(address)?),
            Part::Bytes(bytes) => Piece::Bytes(bytes.as_slice().into()),
        })
    }

    /// The value, if it is always the same.
    fn constant(&self, at: u16) -> Option<U256> {
        match &self.program.ops[usize::from(at)] {
            Op::Given(Atom::Constant(value)) => Some(*value),
            _ => None,
        }
    }
}

type Values = SmallVec<[Option<U256>; 24]>;

impl Op {
    fn value(&self, call: &Call<'_>, memory: &Memory, memo: &Memo, values: &Values) -> Option<U256> {
        match self {
            Self::Given(atom) => atom.given(call),
            Self::Load { address, slot, field } => {
                let address = to_address(values[usize::from(*address)]?);
                memory.get(address, values[usize::from(*slot)]?).map(|value| field.of(value))
            }
            Self::Hash { .. } => self.hash(|input| memo.keccak256(input), |at| values[usize::from(at)]),
        }
    }

    fn hash(&self, keccak256: impl Fn(&[u8]) -> B256, value: impl Fn(u16) -> Option<U256>) -> Option<U256> {
        let Self::Hash { pieces, offset, is_address } = self else { return None };
        let mut bytes = SmallVec::<[u8; 128]>::new();
        for piece in pieces {
            match piece {
                Piece::Word(at) => bytes.extend_from_slice(&value(*at)?.to_be_bytes::<32>()),
                Piece::Address(at) => bytes.extend_from_slice(&value(*at)?.to_be_bytes::<32>()[12..]),
                Piece::Bytes(fixed) => bytes.extend_from_slice(fixed),
            }
        }
        let mut hash = U256::from_be_bytes(keccak256(&bytes).0);
        if let Some(offset) = offset {
            hash = hash.wrapping_add(value(*offset)?);
        }
        Some(if *is_address { low_160(hash) } else { hash })
    }
}

pub(super) fn to_address(value: U256) -> Address {
    Address::from_slice(&value.to_be_bytes::<32>()[12..])
}
