//! Lines that are no JSON: the audit log of Linux, and Zeek's logs with tabs.

use super::Said;
use super::json::since_1970;

/// `[node=HOST ]type=TYPE msg=audit(SECONDS.MILLISECONDS:SERIAL): ...`
pub(super) fn auditd(bytes: &[u8]) -> Result<Said, &'static str> {
    const WRONG: &str = "it does not begin with `type=... msg=audit(...)`";
    let looked = bytes.get(..512).unwrap_or(bytes);
    let head = String::from_utf8_lossy(looked);
    let mut words = head.split(' ').filter(|word| !word.is_empty());
    let mut word = words.next().ok_or(WRONG)?;
    let host = word.strip_prefix("node=").map(str::to_owned);
    if host.is_some() {
        word = words.next().ok_or(WRONG)?;
    }
    let kind = word.strip_prefix("type=").ok_or(WRONG)?;
    let stamp = words
        .next()
        .and_then(|word| word.strip_prefix("msg=audit("));
    let (at, _serial) = stamp.and_then(|stamp| stamp.split_once(':')).ok_or(WRONG)?;
    Ok(Said {
        at: Some(since_1970(at).ok_or(WRONG)?),
        host,
        kind: Some(kind.to_owned()),
    })
}

/// A line of fields with tabs, the time first; or one that begins with `#` and is about the others.
pub(super) fn zeek(bytes: &[u8]) -> Result<Said, &'static str> {
    if bytes.starts_with(b"#") {
        return Ok(Said {
            kind: Some("#".to_owned()),
            ..Said::default()
        });
    }
    let first = bytes
        .split(|byte| *byte == b'\t')
        .next()
        .unwrap_or_default();
    let at = std::str::from_utf8(first).ok().and_then(since_1970);
    match at.filter(|_| first.len() < bytes.len()) {
        Some(at) => Ok(Said {
            at: Some(at),
            ..Said::default()
        }),
        None => Err("it is neither JSON nor fields with tabs and a time before them"),
    }
}
