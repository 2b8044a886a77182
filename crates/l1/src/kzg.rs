//! KZG commitments and cell proofs (EIP-4844, EIP-7594).

use std::thread;

use alloy::{
    eips::{
        eip4844::{AsCkzg, Blob, env_settings::EnvKzgSettings, kzg_to_versioned_hash},
        eip7594::BlobTransactionSidecarEip7594,
    },
    primitives::B256,
};

use crate::L1Error;

/// Loads the trusted setup on a thread of its own: the first use costs about two seconds.
pub fn preload_kzg() {
    thread::spawn(|| {
        EnvKzgSettings::Default.get();
    });
}

/// Versioned hash of a blob, computed from its bytes.
pub(crate) fn versioned_hash(blob: &Blob) -> Result<B256, L1Error> {
    let commitment = EnvKzgSettings::Default
        .get()
        .blob_to_kzg_commitment(blob.as_ckzg())
        .map_err(|error| L1Error::Kzg(error.to_string()))?;
    Ok(kzg_to_versioned_hash(commitment.to_bytes().as_slice()))
}

/// A sidecar with cell proofs. Takes about 250 ms of CPU per blob: call it off the async threads.
pub(crate) fn sidecar(blobs: Vec<Blob>) -> Result<BlobTransactionSidecarEip7594, L1Error> {
    BlobTransactionSidecarEip7594::try_from_blobs_with_settings(blobs, EnvKzgSettings::Default.get())
        .map_err(|error| L1Error::Kzg(error.to_string()))
}
