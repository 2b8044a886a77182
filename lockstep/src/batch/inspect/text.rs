//! A batch in words.

use std::{
    fmt::Write,
    time::{Duration, UNIX_EPOCH},
};

use super::view::{BlockView, Posted, TxView, View};

/// `view` for a terminal, with its transactions or without.
pub(super) fn of(view: &View, transactions: bool) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, view, transactions);
    out
}

fn write(out: &mut String, view: &View, transactions: bool) -> std::fmt::Result {
    let blocks = view.blocks.len();
    writeln!(out, "{}", view.from)?;
    writeln!(
        out,
        "blocks        {} to {} ({blocks}), {} transactions",
        view.first_block, view.last_block, view.transactions
    )?;
    if let (Some(first), Some(last)) = (view.blocks.first(), view.blocks.last()) {
        writeln!(out, "times         {} to {}", time(first.timestamp), time(last.timestamp))?;
        writeln!(
            out,
            "L1 origins    {} to {}, the last is {}",
            first.l1_origin, last.l1_origin, view.last_origin_hash
        )?;
    }
    writeln!(out, "parent        {}", view.parent_hash)?;
    writeln!(out, "tip           {} as claimed", view.tip_hash)?;
    write_size(out, view)?;
    if let Some(posted) = &view.posted {
        write_posted(out, posted)?;
    }
    write_columns(out, view)?;
    writeln!(out, "\n{:>12} {:>20} {:>12} {:>6} {:>10}", "block", "time", "L1 origin", "txs", "raw bytes")?;
    for block in &view.blocks {
        write_block(out, block)?;
        if transactions {
            block.transactions.iter().try_for_each(|tx| write_transaction(out, tx))?;
        }
    }
    Ok(())
}

fn write_size(out: &mut String, view: &View) -> std::fmt::Result {
    let size = &view.size;
    let per_tx =
        |bytes: Option<f64>| bytes.map(|bytes| format!(", {bytes:.2} per transaction")).unwrap_or_default();
    let ratio = size.ratio.map(|ratio| format!(", ratio {ratio:.3}")).unwrap_or_default();
    writeln!(out, "raw           {} bytes{}", size.raw_bytes, per_tx(size.raw_bytes_per_tx))?;
    writeln!(out, "encoded       {} bytes{}{ratio}", size.encoded_bytes, per_tx(size.encoded_bytes_per_tx))?;
    writeln!(out, "blobs         {}, {:.1} % full", size.blobs, 100.0 * size.blobs_used)
}

fn write_posted(out: &mut String, posted: &Posted) -> std::fmt::Result {
    let Posted { gas_used, gas_price_wei, blob_gas_used, blob_gas_price_wei, .. } = posted;
    writeln!(
        out,
        "posted        as {} in L1 block {}, batch {} of the inbox",
        posted.data, posted.l1_block, posted.batch
    )?;
    writeln!(out, "transaction   {} of {}", posted.tx_hash, posted.poster)?;
    writeln!(out, "gas           {gas_used} at {gas_price_wei} wei")?;
    if *blob_gas_used > 0 {
        writeln!(out, "blob gas      {blob_gas_used} at {blob_gas_price_wei} wei")?;
    }
    let per_tx = posted.cost_wei_per_tx.map(|wei| format!(", {wei:.0} per transaction")).unwrap_or_default();
    writeln!(out, "cost          {} wei{per_tx}", posted.cost_wei)
}

fn write_columns(out: &mut String, view: &View) -> std::fmt::Result {
    let columns: Vec<_> = view
        .columns
        .iter()
        .map(|column| lockstep_measure::Column { name: column.name.clone(), bits: 8.0 * column.bytes })
        .collect();
    write!(out, "\n{}", lockstep_measure::Column::table(&columns, view.transactions))
}

fn write_block(out: &mut String, block: &BlockView) -> std::fmt::Result {
    let BlockView { number, timestamp, l1_origin, raw_bytes, transactions } = block;
    let (time, txs) = (time(*timestamp), transactions.len());
    writeln!(out, "{number:>12} {time:>20} {l1_origin:>12} {txs:>6} {raw_bytes:>10}")
}

fn write_transaction(out: &mut String, tx: &TxView) -> std::fmt::Result {
    let bytes = tx.bytes;
    let Some(decoded) = &tx.decoded else {
        return writeln!(out, "             {}: {bytes} bytes that are no transaction", tx.hash);
    };
    let from = decoded.from.map_or_else(|| "nobody".to_owned(), |from| from.to_string());
    let to = decoded.to.map_or_else(|| "a new contract".to_owned(), |to| to.to_string());
    let (kind, nonce) = (decoded.kind, decoded.nonce);
    writeln!(out, "             {}: type {kind}, {bytes} bytes, nonce {nonce} of {from}, to {to}", tx.hash)
}

/// Seconds since the Unix epoch as UTC; as a number where no calendar reaches.
fn time(seconds: u64) -> String {
    /// End of the year 9999.
    const LAST: u64 = 253_402_300_799;
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds <= LAST => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("second {seconds}"),
    }
}
