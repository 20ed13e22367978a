use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::{Limits, Refusal, Syntax};

/// The data set as it is before it was deflated; in other syntaxes the bytes themselves. What is
/// returned is explicit VR little endian if it was deflated.
///
/// # Errors
/// [`Refusal::Inflated`] before memory grows beyond the limit, [`Refusal::Deflate`].
pub fn unpack<'a>(
    bytes: &'a [u8],
    syntax: Syntax,
    limits: &Limits,
) -> Result<Cow<'a, [u8]>, Refusal> {
    if !syntax.deflated {
        return Ok(Cow::Borrowed(bytes));
    }
    let max = limits.unpacked(bytes.len());
    let mut out = Vec::new();
    let more = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let read = DeflateDecoder::new(bytes).take(more).read_to_end(&mut out);
    read.map_err(|_| Refusal::Deflate)?;
    if out.len() > max {
        return Err(Refusal::Inflated { max });
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;
    use crate::dicom::INFLATED_FREE_BYTES;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused_and_a_flat_picture_is_not() {
        let syntax = Syntax::named("1.2.840.10008.1.2.1.99").unwrap();
        let limits = Limits::default();
        let flat = deflated(&vec![0; INFLATED_FREE_BYTES]);
        assert_eq!(
            unpack(&flat, syntax, &limits).unwrap().len(),
            INFLATED_FREE_BYTES
        );
        let bomb = deflated(&vec![0; 16 << 20]);
        let max = bomb.len() * limits.inflate_ratio_max;
        assert_eq!(
            unpack(&bomb, syntax, &limits),
            Err(Refusal::Inflated { max })
        );
        assert_eq!(
            unpack(b"\xff\xff\xff", syntax, &limits),
            Err(Refusal::Deflate)
        );
    }
}
