//! What a backup consists of, pinned: every object with size, SHA-256 and the storage's name for
//! its version. Whatever else is at the place, added or replaced later, is not looked at.

use seal::{Edge, Hash, LogVerifier};

const MARK: &str = "salus backup v1";

/// The folder of the record's manifests.
pub(super) const FOLDER: &str = "manifest";
/// The folder of the manifests of other objects: they say nothing of the log.
pub(super) const PINS: &str = "pins";

/// One pinned object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) version: Option<String>,
}

/// One backup: the objects that it added, the manifest before it, and the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// SHA-256 of the manifest that this one goes on from; `None`: it names everything.
    pub(super) previous: Option<String>,
    /// How many manifests this one goes on from.
    pub(super) depth: u32,
    /// The tiles' right edge behind the last full bundle.
    pub(super) edge: Edge,
    pub(super) objects: Vec<Object>,
    /// The signed checkpoint.
    pub(super) note: String,
}

impl Manifest {
    pub(super) fn to_text(&self) -> String {
        let mut out = format!(
            "{MARK}\nprevious {}\ndepth {}\nedge {}\n",
            self.previous.as_deref().unwrap_or("-"),
            self.depth,
            hex(&self.edge.to_bytes())
        );
        for one in &self.objects {
            let version = one.version.as_deref().unwrap_or("-");
            out.push_str(&format!(
                "object {} {} {} {version}\n",
                one.path, one.bytes, one.sha256
            ));
        }
        out.push('\n');
        out.push_str(&self.note);
        out
    }

    pub(super) fn from_text(text: &str) -> Option<Manifest> {
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        (lines.next()? == MARK).then_some(())?;
        let previous = some(lines.next()?.strip_prefix("previous ")?);
        let depth = lines.next()?.strip_prefix("depth ")?.parse().ok()?;
        let edge = Edge::from_bytes(&unhex(lines.next()?.strip_prefix("edge ")?)?)?;
        let objects = lines.map(Object::from_line).collect::<Option<_>>()?;
        Some(Manifest {
            previous,
            depth,
            edge,
            objects,
            note: note.to_owned(),
        })
    }

    /// Size and root of the checkpoint, if this log signed it.
    pub(super) fn head(&self, log: &LogVerifier) -> Option<(u64, Hash)> {
        log.verify(&self.note).ok()
    }
}

impl Object {
    fn from_line(line: &str) -> Option<Object> {
        let mut parts = line.strip_prefix("object ")?.split(' ');
        let (path, bytes) = (parts.next()?, parts.next()?.parse().ok()?);
        let (sha256, version) = (parts.next()?, some(parts.next()?));
        parts.next().is_none().then(|| Object {
            path: path.to_owned(),
            bytes,
            sha256: sha256.to_owned(),
            version,
        })
    }
}

/// The name of a manifest: the size of the log, so that they are in order, and its own hash.
pub(super) fn path(folder: &str, size: u64, sha256: &str) -> String {
    format!("{folder}/{size:020}-{sha256}")
}

/// Size and hash in the name of a manifest.
pub(super) fn named(path: &str) -> Option<(u64, &str)> {
    let (folder, name) = path.split_once('/')?;
    let (size, sha256) = name.split_once('-')?;
    let ours = folder == FOLDER || folder == PINS;
    Some((size.parse().ok().filter(|_| ours)?, sha256))
}

/// SHA-256 in hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&seal::sha256(&[bytes]))
}

fn some(text: &str) -> Option<String> {
    (text != "-").then(|| text.to_owned())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().as_chunks::<2>();
    let read = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs
        .1
        .is_empty()
        .then(|| pairs.0.iter().map(read).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut edge = Edge::default();
        (0..600).for_each(|n: u32| edge.push(seal::leaf_hash(&n.to_be_bytes()), &mut Vec::new()));
        let object = |version: Option<&str>| Object {
            path: "pack/x001/000".into(),
            bytes: 70_000,
            sha256: sha256(b"x"),
            version: version.map(str::to_owned),
        };
        let manifest = Manifest {
            previous: Some(sha256(b"before")),
            depth: 3,
            edge,
            objects: vec![object(None), object(Some("3/L4kqt"))],
            note: "origin\n600\nroot\n\n— origin signature\n".into(),
        };
        let text = manifest.to_text();
        assert_eq!(Manifest::from_text(&text).unwrap(), manifest);
        assert_eq!(Manifest::from_text(&text.replace("object", "objekt")), None);
        assert_eq!(named(&path(PINS, 600, "ab")), Some((600, "ab")));
    }
}
