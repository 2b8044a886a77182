//! KZG commitments and proofs (EIP-4844, EIP-7594).
//!
//! By c-kzg, which the EVM's precompile links anyway and whose tables it shares. The other library that is at hand,
//! rust_eth_kzg, takes 5 % less CPU per blob with the same memory (`benches/kzg`): too little for a second one, which
//! is released more rarely and changes how blst is built for all.

use std::{num::NonZero, panic, thread};

use alloy::{
    eips::{
        eip4844::{
            AsAlloy, AsCkzg, Blob, BlobTransactionSidecar, Bytes48, c_kzg, env_settings::EnvKzgSettings,
            kzg_to_versioned_hash,
        },
        eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant},
    },
    primitives::B256,
};

use crate::L1Error;

/// What proves the blobs of a transaction to a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proofs {
    /// One proof per blob (EIP-4844), 40 ms of CPU each.
    Blobs,
    /// 128 cell proofs per blob (EIP-7594), 160 ms of CPU for all of them.
    Cells,
}

/// Loads the trusted setup on a thread of its own: the first use costs two seconds, and 100 MB of memory for good.
pub fn preload_kzg() {
    thread::spawn(settings);
}

fn settings() -> &'static c_kzg::KzgSettings {
    EnvKzgSettings::Default.get()
}

/// Versioned hashes of blobs, computed from their bytes: 40 ms of CPU each.
pub(crate) fn versioned_hashes(blobs: &[Blob]) -> Result<Vec<B256>, L1Error> {
    in_parallel(blobs, |blob| Ok(kzg_to_versioned_hash(commitment(blob)?.as_slice())))
}

/// Commits to `blobs` and proves them. Takes long: call it off the async threads.
pub(crate) fn sidecar(blobs: Vec<Blob>, proofs: Proofs) -> Result<BlobTransactionSidecarVariant, L1Error> {
    let proven = in_parallel(&blobs, |blob| {
        let commitment = commitment(blob)?;
        Ok((commitment, prove(blob, &commitment, proofs)?))
    })?;
    let (commitments, proven): (Vec<_>, Vec<_>) = proven.into_iter().unzip();
    Ok(assemble(blobs, commitments, proven.concat(), proofs))
}

/// The same blobs and commitments with the other kind of proofs. Takes long: call it off the async threads.
pub(crate) fn converted(
    sidecar: BlobTransactionSidecarVariant,
) -> Result<BlobTransactionSidecarVariant, L1Error> {
    let proofs = if sidecar.is_eip7594() { Proofs::Blobs } else { Proofs::Cells };
    let commitments = sidecar.commitments().to_vec();
    let blobs = sidecar.into_blobs();
    let pairs: Vec<_> = blobs.iter().zip(&commitments).collect();
    let proven = in_parallel(&pairs, |(blob, commitment)| prove(blob, commitment, proofs))?;
    Ok(assemble(blobs, commitments, proven.concat(), proofs))
}

fn assemble(
    blobs: Vec<Blob>,
    commitments: Vec<Bytes48>,
    proven: Vec<Bytes48>,
    proofs: Proofs,
) -> BlobTransactionSidecarVariant {
    match proofs {
        Proofs::Blobs => BlobTransactionSidecar::new(blobs, commitments, proven).into(),
        Proofs::Cells => BlobTransactionSidecarEip7594::new(blobs, commitments, proven).into(),
    }
}

fn commitment(blob: &Blob) -> Result<Bytes48, L1Error> {
    let commitment = settings().blob_to_kzg_commitment(blob.as_ckzg()).map_err(kzg_error)?;
    Ok(Bytes48::from_ckzg(commitment.to_bytes()))
}

fn prove(blob: &Blob, commitment: &Bytes48, proofs: Proofs) -> Result<Vec<Bytes48>, L1Error> {
    match proofs {
        Proofs::Blobs => {
            let proof = settings().compute_blob_kzg_proof(blob.as_ckzg(), commitment.as_ckzg());
            Ok(vec![Bytes48::from_ckzg(proof.map_err(kzg_error)?.to_bytes())])
        }
        Proofs::Cells => {
            let (_cells, proofs) =
                settings().compute_cells_and_kzg_proofs(blob.as_ckzg()).map_err(kzg_error)?;
            Ok(c_kzg::KzgProof::slice_as_alloy(proofs.as_ref()).to_vec())
        }
    }
}

/// Computes one result per item, in order, on every core but one: that one is left to whatever else runs.
fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    compute: impl Fn(&I) -> Result<T, L1Error> + Sync,
) -> Result<Vec<T>, L1Error> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1);
    let share = items.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(&compute).collect::<Result<Vec<_>, _>>()))
            .collect();
        let results =
            parts.into_iter().map(|part| part.join().unwrap_or_else(|cause| panic::resume_unwind(cause)));
        Ok(results.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn kzg_error(error: c_kzg::Error) -> L1Error {
    L1Error::Kzg(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A blob of canonical field elements: empty, one element, and full.
    fn blobs() -> Vec<Blob> {
        let mut one = Blob::ZERO;
        one[31] = 7;
        let full = Blob::from_slice(
            &(0..131_072u32).map(|i| if i % 32 == 0 { 0x3f } else { 0xa5 }).collect::<Vec<_>>(),
        );
        vec![Blob::ZERO, one, full]
    }

    #[test]
    fn either_kind_of_proofs_convinces_a_node() {
        let hashes = versioned_hashes(&blobs()).unwrap();
        for proofs in [Proofs::Blobs, Proofs::Cells] {
            let sidecar = sidecar(blobs(), proofs).unwrap();
            assert_eq!(sidecar.is_eip7594(), proofs == Proofs::Cells);
            assert_eq!(sidecar.versioned_hashes().collect::<Vec<_>>(), hashes);
            sidecar.validate(&hashes, settings()).unwrap();
        }
    }

    #[test]
    fn a_converted_sidecar_is_the_one_that_the_other_fork_would_have_had() {
        let [of_blobs, of_cells] =
            [Proofs::Blobs, Proofs::Cells].map(|proofs| sidecar(blobs(), proofs).unwrap());
        assert_eq!(converted(of_blobs.clone()).unwrap(), of_cells);
        assert_eq!(converted(of_cells).unwrap(), of_blobs);
    }

    #[test]
    fn bytes_that_are_not_field_elements_are_an_error() {
        let refused = sidecar(vec![Blob::repeat_byte(0xff)], Proofs::Cells);
        assert!(matches!(refused, Err(L1Error::Kzg(_))));
    }

    #[test]
    fn results_come_in_order_whatever_the_count() {
        for count in 0..20u64 {
            let items: Vec<u64> = (0..count).collect();
            assert_eq!(in_parallel(&items, |item| Ok(*item)).unwrap(), items);
        }
    }
}
