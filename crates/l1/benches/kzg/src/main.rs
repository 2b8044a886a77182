//! KZG libraries side by side: what a blob costs on one core.
//!
//! ```sh
//! cargo run --release --manifest-path crates/l1/benches/kzg/Cargo.toml
//! ```
//!
//! Each round takes another blob of random field elements through all libraries, each time beginning with another one,
//! and stops the bench if they do not agree byte for byte. `precompute` is the window in bits of the table of
//! multiples: memory for time. Times are CPU time of the thread, so a busy machine disturbs them little.

use std::{env::consts::ARCH, fs, thread, time::Duration};

use c_kzg::KzgSettings;
use nix::time::{ClockId, clock_gettime};
use rust_eth_kzg::{DASContext, TrustedSetup, UsePrecomp, constants::BYTES_PER_BLOB};
use sha2::{Digest, Sha256};

type Blob = [u8; BYTES_PER_BLOB];

const PRECOMPUTE: [u8; 4] = [0, 4, 8, 10];
const ROUNDS: u64 = 3 * 2 * PRECOMPUTE.len() as u64;
const STEPS: [&str; 4] = ["cells and proofs", "commitment", "blob proof", "blob against hash"];

enum Kzg {
    C(&'static KzgSettings),
    Rust(Box<DASContext>),
}

/// A library with its tables, and how long each step of each round took.
struct Library {
    name: String,
    kzg: Kzg,
    setup: Duration,
    memory_mb: u64,
    times: [Vec<Duration>; STEPS.len()],
}

/// What a library makes of a blob.
#[derive(PartialEq, Eq)]
struct Made {
    cell_proofs: Vec<[u8; 48]>,
    commitment: [u8; 48],
    blob_proof: [u8; 48],
}

fn main() {
    println!("kzg/blobs={ROUNDS} {}", machine());
    let mut libraries: Vec<_> =
        PRECOMPUTE.iter().flat_map(|bits| [Library::c(*bits), Library::rust(*bits)]).collect();
    for round in 0..ROUNDS {
        let blob = random_blob(round);
        let first = usize::try_from(round).unwrap() % libraries.len();
        libraries.rotate_left(first);
        let made: Vec<_> = libraries.iter_mut().map(|library| library.take(&blob)).collect();
        assert!(made.windows(2).all(|pair| pair[0] == pair[1]), "the libraries disagree on blob {round}");
    }
    libraries.sort_by(|a, b| a.name.cmp(&b.name));
    for library in libraries {
        println!("{}", library.line());
    }
}

impl Library {
    fn load(name: &str, bits: u8, load: impl FnOnce() -> Kzg) -> Self {
        let before = resident_mb();
        let (kzg, setup) = timed(load);
        let memory_mb = resident_mb().saturating_sub(before);
        Self {
            name: format!("{name}/precompute={bits:02}"),
            kzg,
            setup,
            memory_mb,
            times: Default::default(),
        }
    }

    fn c(bits: u8) -> Self {
        Self::load("c-kzg", bits, || Kzg::C(c_kzg::ethereum_kzg_settings(bits.into())))
    }

    fn rust(bits: u8) -> Self {
        let precompute = if bits == 0 { UsePrecomp::No } else { UsePrecomp::Yes { width: bits.into() } };
        Self::load("rust_eth_kzg", bits, || {
            Kzg::Rust(Box::new(DASContext::new(&TrustedSetup::default(), precompute)))
        })
    }

    /// One round.
    fn take(&mut self, blob: &Blob) -> Made {
        let (cell_proofs, proving) = timed(|| self.kzg.cell_proofs(blob));
        let (commitment, committing) = timed(|| self.kzg.commitment(blob));
        let (blob_proof, opening) = timed(|| self.kzg.blob_proof(blob, &commitment));
        let hash = versioned_hash(&commitment);
        let (same, checking) = timed(|| versioned_hash(&self.kzg.commitment(blob)) == hash);
        assert!(same);
        for (times, time) in self.times.iter_mut().zip([proving, committing, opening, checking]) {
            times.push(time);
        }
        Made { cell_proofs, commitment, blob_proof }
    }

    fn line(mut self) -> String {
        let mut line =
            format!("{:<27} setup {:4.1} s {:3} MB", self.name, self.setup.as_secs_f64(), self.memory_mb);
        for (step, times) in STEPS.iter().zip(&mut self.times) {
            times.sort_unstable();
            let [low, mid, high] =
                [0, times.len() / 2, times.len() - 1].map(|at| times[at].as_secs_f64() * 1_000.0);
            line += &format!("; {step} {mid:.1} ms ({low:.1} to {high:.1})");
        }
        line
    }
}

impl Kzg {
    fn cell_proofs(&self, blob: &Blob) -> Vec<[u8; 48]> {
        match self {
            Self::C(kzg) => {
                let (_cells, proofs) = kzg.compute_cells_and_kzg_proofs(&for_c(blob)).unwrap();
                proofs.iter().map(|proof| proof.to_bytes().into_inner()).collect()
            }
            Self::Rust(kzg) => kzg.compute_cells_and_kzg_proofs(blob).unwrap().1.to_vec(),
        }
    }

    fn commitment(&self, blob: &Blob) -> [u8; 48] {
        match self {
            Self::C(kzg) => kzg.blob_to_kzg_commitment(&for_c(blob)).unwrap().to_bytes().into_inner(),
            Self::Rust(kzg) => kzg.blob_to_kzg_commitment(blob).unwrap(),
        }
    }

    fn blob_proof(&self, blob: &Blob, commitment: &[u8; 48]) -> [u8; 48] {
        match self {
            Self::C(kzg) => {
                let proof = kzg.compute_blob_kzg_proof(&for_c(blob), &(*commitment).into());
                proof.unwrap().to_bytes().into_inner()
            }
            Self::Rust(kzg) => kzg.compute_blob_kzg_proof(blob, commitment).unwrap(),
        }
    }
}

/// As a transaction names the blob (EIP-4844).
fn versioned_hash(commitment: &[u8; 48]) -> [u8; 32] {
    let mut hash: [u8; 32] = Sha256::digest(commitment).into();
    hash[0] = 1;
    hash
}

fn for_c(blob: &Blob) -> c_kzg::Blob {
    c_kzg::Blob::new(*blob)
}

/// Field elements by xorshift64 from `seed`, below the modulus by their first byte.
fn random_blob(seed: u64) -> Box<Blob> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = vec![0; BYTES_PER_BLOB];
    for chunk in bytes.chunks_exact_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_be_bytes());
    }
    bytes.iter_mut().step_by(32).for_each(|first| *first &= 0x3f);
    bytes.into_boxed_slice().try_into().unwrap()
}

/// Runs `work` and gives the CPU time of this thread that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let start = now();
    let made = work();
    (made, now() - start)
}

/// Memory that this process holds.
fn resident_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn machine() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let profile = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    format!("{ARCH}, {cores} cores, {}, {profile}", model.trim_start_matches([' ', '\t', ':']))
}
