//! A small grammar of EVM code that conflicts: few slots, few accounts, and addresses that state decides.

use alloy_primitives::{Address, Bytes, U256};
use revm::{bytecode::opcode as op, primitives::hardfork::SpecId};

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Small(u8),
    /// A word of calldata.
    Word(u8),
    Slot(Box<Self>),
    Balance(Place),
    SelfBalance,
    CodeHash(Place),
    CodeSize(Place),
    /// One opcode without operands: caller, value, gas left, block values and the like.
    Env(u8),
    Transient(u8),
    Add(Box<Self>, Box<Self>),
    Sub(Box<Self>, Box<Self>),
    Less(Box<Self>, Box<Self>),
    /// As a mapping finds its slots.
    Hash(Box<Self>, Box<Self>),
}

/// An address.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Fixed(Address),
    Word(u8),
    Caller,
    Coinbase,
    Own,
    /// What a slot holds: [`CREATED`] is where a creation leaves its address.
    Slot(u8),
}

/// Slot for the address of the last creation.
pub(crate) const CREATED: u8 = 7;
/// Slots are taken modulo this, so that they meet.
const SLOTS: u8 = 4;

#[derive(Clone, Copy, Debug)]
pub(crate) enum CallKind {
    Call,
    CallCode,
    Delegate,
    Static,
}

/// What to do.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Store(Expr, Expr),
    TransientStore(u8, Expr),
    /// Kind, callee, value, whether only little gas is given, first word of calldata, whether its success is stored.
    Call {
        kind: CallKind,
        to: Place,
        value: Expr,
        little: bool,
        word: Expr,
        keep: bool,
    },
    /// Salt of a CREATE2, or CREATE; value; what the constructor does; what it leaves.
    Create {
        salt: Option<Expr>,
        value: Expr,
        init: Vec<Self>,
        left: Vec<Self>,
    },
    Destroy(Place),
    Log(Expr),
    If(Expr, Vec<Self>),
    Loop(u8, Vec<Self>),
    /// Reads the hash of a block, which the database of a test may take its time over.
    Pause,
    Copy(Place),
    Revert,
    Stop,
    Fail,
}

/// Code, its jumps and data resolved when it is complete.
struct Assembler {
    /// Opcodes that it does not have are replaced, so that not every program fails before it does something.
    spec: SpecId,
    code: Vec<u8>,
    /// Where the offset of a piece of data has to be written.
    data: Vec<(usize, Vec<u8>)>,
}

/// The code of a contract that does `steps` and stops.
pub(crate) fn contract(steps: &[Step], spec: SpecId) -> Bytes {
    let mut assembler = Assembler::new(spec);
    assembler.steps(steps);
    assembler.op(op::STOP);
    assembler.finish().into()
}

/// Code that does `init` and leaves a contract that does `left`; none of it leaves no code.
pub(crate) fn constructor(init: &[Step], left: &[Step], spec: SpecId) -> Vec<u8> {
    let mut assembler = Assembler::new(spec);
    assembler.steps(init);
    let runtime = if left.is_empty() { Vec::new() } else { contract(left, spec).to_vec() };
    let length = runtime.len();
    assembler.copy_data(runtime);
    assembler.push_number(length);
    assembler.push(0);
    assembler.op(op::RETURN);
    assembler.finish()
}

impl Assembler {
    const fn new(spec: SpecId) -> Self {
        Self { spec, code: Vec::new(), data: Vec::new() }
    }

    fn has(&self, opcode: u8) -> bool {
        self.spec.is_enabled_in(match opcode {
            op::REVERT | op::STATICCALL | op::RETURNDATASIZE => SpecId::BYZANTIUM,
            op::CREATE2 | op::EXTCODEHASH => SpecId::PETERSBURG,
            op::CHAINID | op::SELFBALANCE => SpecId::ISTANBUL,
            op::BASEFEE => SpecId::LONDON,
            op::TLOAD | op::TSTORE => SpecId::CANCUN,
            _ => SpecId::FRONTIER,
        })
    }

    fn finish(mut self) -> Vec<u8> {
        for (place, data) in std::mem::take(&mut self.data) {
            let offset = u16::try_from(self.code.len()).unwrap();
            self.code[place..place + 2].copy_from_slice(&offset.to_be_bytes());
            self.code.extend(data);
        }
        self.code
    }

    fn op(&mut self, opcode: u8) {
        self.code.push(opcode);
    }

    fn push(&mut self, value: u8) {
        self.code.extend([op::PUSH1, value]);
    }

    fn push_number(&mut self, value: usize) {
        self.op(op::PUSH2);
        self.code.extend(u16::try_from(value).unwrap().to_be_bytes());
    }

    /// Copies `data`, which will lie behind the code, to the start of memory.
    fn copy_data(&mut self, data: Vec<u8>) {
        self.push_number(data.len());
        self.push_number(0);
        let place = self.code.len() - 2;
        self.data.push((place, data));
        self.push(0);
        self.op(op::CODECOPY);
    }

    fn steps(&mut self, steps: &[Step]) {
        steps.iter().for_each(|step| self.step(step));
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Small(value) => self.push(*value),
            Expr::Word(index) => {
                self.push(index * 32);
                self.op(op::CALLDATALOAD);
            }
            Expr::Slot(slot) => {
                self.slot(slot);
                self.op(op::SLOAD);
            }
            Expr::Balance(place) => self.of_place(place, op::BALANCE),
            Expr::CodeHash(place) if self.has(op::EXTCODEHASH) => self.of_place(place, op::EXTCODEHASH),
            Expr::CodeHash(place) | Expr::CodeSize(place) => self.of_place(place, op::EXTCODESIZE),
            Expr::SelfBalance if self.has(op::SELFBALANCE) => self.op(op::SELFBALANCE),
            Expr::SelfBalance => self.of_place(&Place::Own, op::BALANCE),
            Expr::Env(opcode) if self.has(*opcode) => self.op(*opcode),
            Expr::Env(_) => self.push(1),
            Expr::Transient(slot) if !self.has(op::TLOAD) => self.push(*slot),
            Expr::Transient(slot) => {
                self.push(*slot);
                self.op(op::TLOAD);
            }
            Expr::Add(left, right) => self.two(left, right, op::ADD),
            Expr::Sub(left, right) => self.two(left, right, op::SUB),
            Expr::Less(left, right) => self.two(left, right, op::LT),
            Expr::Hash(key, slot) => {
                for (part, at) in [(key, 0), (slot, 32)] {
                    self.slot(part);
                    self.push(at);
                    self.op(op::MSTORE);
                }
                self.push(64);
                self.push(0);
                self.op(op::KECCAK256);
            }
        }
    }

    fn two(&mut self, left: &Expr, right: &Expr, opcode: u8) {
        self.expr(right);
        self.expr(left);
        self.op(opcode);
    }

    fn of_place(&mut self, place: &Place, opcode: u8) {
        self.place(place);
        self.op(opcode);
    }

    /// Few slots, except where a mapping makes them.
    fn slot(&mut self, slot: &Expr) {
        self.expr(slot);
        if !matches!(slot, Expr::Hash(..)) {
            self.push(SLOTS - 1);
            self.op(op::AND);
        }
    }

    fn place(&mut self, place: &Place) {
        match place {
            Place::Fixed(address) => {
                self.op(op::PUSH20);
                self.code.extend(address.as_slice());
            }
            Place::Word(index) => self.expr(&Expr::Word(*index)),
            Place::Caller => self.op(op::CALLER),
            Place::Coinbase => self.op(op::COINBASE),
            Place::Own => self.op(op::ADDRESS),
            Place::Slot(slot) => {
                self.push(*slot);
                self.op(op::SLOAD);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Store(slot, value) => {
                self.expr(value);
                self.slot(slot);
                self.op(op::SSTORE);
            }
            Step::TransientStore(..) if !self.has(op::TSTORE) => {}
            Step::TransientStore(slot, value) => {
                self.expr(value);
                self.push(*slot);
                self.op(op::TSTORE);
            }
            Step::Call { kind, to, value, little, word, keep } => {
                self.call(*kind, to, value, *little, word);
                if *keep { self.keep(0) } else { self.op(op::POP) }
            }
            Step::Create { salt, value, init, left } => {
                let code = constructor(init, left, self.spec);
                let length = code.len();
                self.copy_data(code);
                let salt = salt.as_ref().filter(|_| self.has(op::CREATE2));
                if let Some(salt) = salt {
                    self.slot(salt);
                }
                self.push_number(length);
                self.push(0);
                self.expr(value);
                self.op(if salt.is_some() { op::CREATE2 } else { op::CREATE });
                self.keep(CREATED);
            }
            Step::Destroy(heir) => self.of_place(heir, op::SELFDESTRUCT),
            Step::Log(value) => {
                self.expr(value);
                self.push(0);
                self.push(0);
                self.op(op::LOG1);
            }
            Step::If(condition, steps) => {
                self.expr(condition);
                self.op(op::ISZERO);
                let end = self.forward();
                self.op(op::JUMPI);
                self.steps(steps);
                self.land(end);
            }
            Step::Loop(times, steps) => {
                self.push(*times);
                let start = self.code.len();
                self.op(op::JUMPDEST);
                self.steps(steps);
                self.push(1);
                self.op(op::SWAP1);
                self.op(op::SUB);
                self.op(op::DUP1);
                self.push_number(start);
                self.op(op::JUMPI);
                self.op(op::POP);
            }
            Step::Pause => {
                self.push(1);
                self.op(op::NUMBER);
                self.op(op::SUB);
                self.op(op::BLOCKHASH);
                self.op(op::POP);
            }
            Step::Copy(place) => {
                self.push(8);
                self.push(0);
                self.push(0);
                self.of_place(place, op::EXTCODECOPY);
            }
            Step::Revert => {
                self.push(0);
                self.push(0);
                self.op(op::REVERT);
            }
            Step::Stop => self.op(op::STOP),
            Step::Fail => self.op(op::INVALID),
        }
    }

    fn keep(&mut self, slot: u8) {
        self.push(slot);
        self.op(op::SSTORE);
    }

    fn call(&mut self, kind: CallKind, to: &Place, value: &Expr, little: bool, word: &Expr) {
        self.expr(word);
        self.push(0);
        self.op(op::MSTORE);
        for length_or_offset in [0, 0, 32, 0] {
            self.push(length_or_offset);
        }
        let opcode = match kind {
            CallKind::Call => op::CALL,
            CallKind::CallCode => op::CALLCODE,
            CallKind::Delegate => op::DELEGATECALL,
            CallKind::Static => op::STATICCALL,
        };
        if matches!(kind, CallKind::Call | CallKind::CallCode) {
            self.expr(value);
        }
        self.place(to);
        if little {
            self.push_number(3_000)
        } else {
            self.op(op::GAS)
        }
        self.op(opcode);
    }

    /// A jump to a place that is not known yet.
    fn forward(&mut self) -> usize {
        self.push_number(0);
        self.code.len() - 2
    }

    fn land(&mut self, jump: usize) {
        let here = u16::try_from(self.code.len()).unwrap();
        self.code[jump..jump + 2].copy_from_slice(&here.to_be_bytes());
        self.op(op::JUMPDEST);
    }
}

/// An address as a word.
pub(crate) fn word(address: Address) -> U256 {
    address.into_word().into()
}
