//! The files of an import, cut into parts that are taken one by one.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use flate2::read::MultiGzDecoder;

use crate::operations::Kind;

/// Lines of NDJSON that are taken together.
const LINES_PER_PART: usize = 200;
/// A line longer than this is taken by itself (it is a bundle).
const LONG_LINE_BYTES: usize = 64 << 10;

/// Every file under the paths, in order of name.
pub(crate) fn under(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        walk(path, &mut files)?;
    }
    Ok(files)
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("cannot read `{}`", path.display());
    if !path.is_dir() {
        if !path.exists() {
            bail!("there is no file or folder `{}`", path.display());
        }
        files.push(path.to_owned());
        return Ok(());
    }
    let mut inside = fs::read_dir(path)
        .with_context(reading)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(reading)?;
    inside.sort();
    inside.iter().try_for_each(|path| walk(path, files))
}

/// The parts of one file: what it is by its name, unpacked if it ends in `.gz`.
pub(crate) struct Parts {
    reader: Box<dyn BufRead + Send>,
    kind: Kind,
    waiting: Option<Vec<u8>>,
    done: bool,
}

impl Parts {
    /// The parts of a file, of which no more than `bytes_max` bytes are read once it is unpacked.
    pub(crate) fn of(path: &Path, bytes_max: u64) -> Result<Parts> {
        let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let packed = name.ends_with(".gz");
        let inner = name.strip_suffix(".gz").unwrap_or(&name);
        let file = BufReader::new(file);
        let plain: Box<dyn Read + Send> = match packed {
            true => Box::new(MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        let reader = Box::new(BufReader::new(Bounded {
            inner: plain,
            left: bytes_max,
            max: bytes_max,
        }));
        let kind = match inner.rsplit('.').next() {
            Some("json") => Kind::Document,
            Some("ndjson") => Kind::Lines,
            Some(_) | None => Kind::Messages,
        };
        Ok(Parts {
            reader,
            kind,
            waiting: None,
            done: false,
        })
    }

    /// The next part; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(Kind, Vec<u8>)>> {
        match self.kind {
            Kind::Lines => self.lines(),
            Kind::Document | Kind::Messages => self.whole(),
        }
    }

    fn whole(&mut self) -> Result<Option<(Kind, Vec<u8>)>> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        let limit = crate::local::PART_BYTES_MAX as u64;
        self.reader
            .by_ref()
            .take(limit + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            bail!("it is larger than {limit} bytes; cut it into NDJSON");
        }
        Ok(Some((self.kind, bytes)))
    }

    fn lines(&mut self) -> Result<Option<(Kind, Vec<u8>)>> {
        if let Some(long) = self.waiting.take() {
            return Ok(Some((Kind::Document, long)));
        }
        let mut part = Vec::new();
        for _ in 0..LINES_PER_PART {
            let mut line = Vec::new();
            let limit = crate::local::PART_BYTES_MAX as u64;
            if self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut line)?
                == 0
            {
                break;
            }
            if line.len() as u64 == limit && line.last() != Some(&b'\n') {
                bail!("one of its lines is longer than {limit} bytes");
            }
            if line.len() > LONG_LINE_BYTES || is_bundle(&line) {
                if part.is_empty() {
                    return Ok(Some((Kind::Document, line)));
                }
                self.waiting = Some(line);
                break;
            }
            part.extend_from_slice(&line);
        }
        Ok((!part.is_empty()).then_some((Kind::Lines, part)))
    }
}

/// A reader that fails when more comes out of it than may.
struct Bounded {
    inner: Box<dyn Read + Send>,
    left: u64,
    max: u64,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        let left = self.left.checked_sub(read as u64);
        self.left = left.ok_or_else(|| {
            io::Error::other(format!(
                "it holds more than {} bytes (`import_unpacked_bytes_max`); cut it into several \
                 files, or raise the limit if you trust it",
                self.max
            ))
        })?;
        Ok(read)
    }
}

/// Whether a line begins as a Bundle does; bundles are taken one by one.
fn is_bundle(line: &[u8]) -> bool {
    let start = line.get(..80.min(line.len())).unwrap_or_default();
    start.windows(8).any(|window| window == b"\"Bundle\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(name: &str, content: &[u8]) -> Vec<(Kind, usize)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let mut parts = Parts::of(&path, 1 << 20).unwrap();
        let mut out = Vec::new();
        while let Some((kind, bytes)) = parts.next().unwrap() {
            out.push((kind, bytes.len()));
        }
        out
    }

    #[test]
    fn a_file_is_what_its_name_says() {
        assert_eq!(parts("a.json", b"{}"), [(Kind::Document, 2)]);
        assert_eq!(parts("a.hl7", b"MSH|"), [(Kind::Messages, 4)]);
        assert_eq!(parts("a.ndjson", b"{}\n{}\n"), [(Kind::Lines, 6)]);
    }

    #[test]
    fn bundles_in_ndjson_are_taken_one_by_one_and_in_order() {
        let text = b"{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Bundle\"}\n{}\n";
        assert_eq!(
            parts("a.ndjson", text),
            [(Kind::Lines, 27), (Kind::Document, 26), (Kind::Lines, 3)]
        );
    }

    /// A hundred megabytes of zeros in a hundred kilobytes, in two members, as any gzip file may have.
    #[test]
    fn a_file_that_grows_without_end_is_stopped() {
        use std::io::Write as _;
        let mut packed = Vec::new();
        for _ in 0..2 {
            let mut packer = flate2::write::GzEncoder::new(packed, flate2::Compression::best());
            for _ in 0..50 {
                packer.write_all(&vec![b'\n'; 1 << 20]).unwrap();
            }
            packed = packer.finish().unwrap();
        }
        assert!(packed.len() < 200_000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.ndjson.gz");
        fs::write(&path, &packed).unwrap();
        let read = |max: u64| {
            let mut parts = Parts::of(&path, max).unwrap();
            let mut bytes = 0;
            loop {
                match parts.next() {
                    Ok(Some((_, part))) => bytes += part.len() as u64,
                    Ok(None) => return Ok(bytes),
                    Err(why) => return Err((bytes, format!("{why:#}"))),
                }
            }
        };
        assert_eq!(read(100 << 20), Ok(100 << 20));
        let (bytes, why) = read(4 << 20).unwrap_err();
        assert!(bytes <= 4 << 20);
        assert!(why.contains("import_unpacked_bytes_max"), "{why}");
    }

    #[test]
    fn packed_files_are_unpacked() {
        use std::io::Write as _;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"{}").unwrap();
        assert_eq!(
            parts("a.json.gz", &packer.finish().unwrap()),
            [(Kind::Document, 2)]
        );
    }
}
