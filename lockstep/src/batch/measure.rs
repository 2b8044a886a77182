//! `lockstep batch measure`: bytes and speed of our codec beside those of peers, on given transactions.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use eyre::{WrapErr, eyre};
use lockstep_measure::{Load, Measurement, Timing};

/// The name that stands for standard input.
const STDIN: &str = "-";

/// Flags of `lockstep batch measure`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MeasureArgs {
    /// Raw signed transactions: one in 0x-hex a line, a blank line at the end of each block; text or zstd; - is
    /// standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

/// Measures each file, and their sum if there are several. A file that is not in order is left out and named.
///
/// # Errors
/// A file was left out.
pub(super) async fn run(args: MeasureArgs) -> eyre::Result<()> {
    // One thread that computes for long.
    tokio::task::spawn_blocking(move || measure_all(&args.files, Timing::FULL, &mut io::stdout().lock()))
        .await
        .map_err(|_| eyre!("measuring panicked"))?
}

fn measure_all(files: &[PathBuf], timing: Timing, out: &mut impl Write) -> eyre::Result<()> {
    let (mut measured, mut failures) = (Vec::new(), Vec::new());
    for file in files {
        match measure_file(file, timing, out) {
            Ok(measurements) => measured.push(measurements),
            Err(error) => failures.push(error),
        }
    }
    if measured.len() > 1 {
        write_total(&measured, out)?;
    }
    let mut failures = failures.into_iter();
    let Some(last) = failures.next_back() else { return Ok(()) };
    failures.for_each(|error| eprintln!("error: {}", crate::one_line(&error)));
    Err(last)
}

fn measure_file(file: &Path, timing: Timing, out: &mut impl Write) -> eyre::Result<Vec<Measurement>> {
    let name = file.display().to_string();
    let load = if name == STDIN {
        Load::read("stdin", io::stdin().lock())?
    } else {
        let content = File::open(file).wrap_err_with(|| format!("cannot open {name}"))?;
        Load::read(&name, content)?
    };
    let measured =
        lockstep_measure::measure(&load, timing).wrap_err_with(|| format!("cannot measure {name}"))?;
    let (txs, raw, blocks) = (load.transactions(), load.raw_bytes(), load.blocks());
    writeln!(out, "{name}: {txs} transactions of {raw} bytes in {blocks} blocks")?;
    write_all(&measured, out)?;
    Ok(measured)
}

fn write_total(files: &[Vec<Measurement>], out: &mut impl Write) -> eyre::Result<()> {
    let codecs = 0..files.first().map_or(0, Vec::len);
    let total = |codec: usize| {
        let parts: Vec<&Measurement> = files.iter().filter_map(|file| file.get(codec)).collect();
        Measurement::total("total", &parts)
    };
    writeln!(out, "total of {} files", files.len())?;
    write_all(&codecs.filter_map(total).collect::<Vec<_>>(), out)
}

/// A line for each codec, and the columns of the one that knows them.
fn write_all(measured: &[Measurement], out: &mut impl Write) -> eyre::Result<()> {
    for measurement in measured {
        writeln!(out, "{measurement}")?;
    }
    if let Some(table) = measured.iter().find_map(Measurement::table) {
        writeln!(out, "{table}")?;
    }
    Ok(out.flush()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use lockstep_testkit::traffic;
    use tempfile::TempDir;

    use super::*;

    fn text() -> String {
        let block = |block: &Vec<traffic::SignedTx>| {
            block.iter().map(|tx| format!("{}\n", tx.raw)).collect::<String>() + "\n"
        };
        traffic::every_type(1).blocks.iter().map(block).collect()
    }

    /// What is printed for files with these contents, and how it ends.
    fn measured(contents: &[&str]) -> (String, eyre::Result<()>) {
        let folder = TempDir::new().unwrap();
        let files: Vec<PathBuf> =
            (0..contents.len()).map(|index| folder.path().join(index.to_string())).collect();
        for (file, content) in files.iter().zip(contents) {
            fs::write(file, content).unwrap();
        }
        let mut out = Vec::new();
        let result = measure_all(&files, Timing::ONCE, &mut out);
        (String::from_utf8(out).unwrap(), result)
    }

    #[test]
    fn every_codec_has_a_line_for_each_file_and_for_their_sum() {
        let (out, result) = measured(&[&text(), &text()]);
        result.unwrap();
        for codec in ["lockstep", "span-brotli-10", "span-zlib-9", "rlp-brotli-11", "zstd-19"] {
            let start = format!("result codec={codec} txs=");
            let lines: Vec<&str> = out.lines().filter(|line| line.starts_with(&start)).collect();
            assert_eq!(lines.len(), 3, "{out}");
            let bytes = |line: &str| -> usize {
                line.split_once(" bytes=").unwrap().1.split(' ').next().unwrap().parse().unwrap()
            };
            assert_eq!(bytes(lines[0]) + bytes(lines[1]), bytes(lines[2]));
        }
        assert_eq!(out.matches("column ").count(), 3);
    }

    #[test]
    fn a_file_that_is_not_in_order_prints_nothing_but_its_fault() {
        let (out, result) = measured(&["0x02f8\n", "\n"]);
        assert_eq!(out, "");
        assert!(result.unwrap_err().to_string().ends_with("1: no transactions"));
    }
}
