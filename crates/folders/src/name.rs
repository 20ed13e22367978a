//! Names of files as the repository format writes them: the bytes as Go quotes a string, so that
//! names that are no UTF-8 survive.

/// The name, quoted.
pub(crate) fn quoted(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                letter if letter.is_ascii_control() => {
                    out.push_str(&format!("\\x{:02x}", u32::from(letter)));
                }
                letter => out.push(letter),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// The bytes of a quoted name; `None`: it is none, or no name of a file.
pub(crate) fn unquoted(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut letters) = (Vec::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let digits = match letters.next()? {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            other => {
                out.push(simple(other)?);
                continue;
            }
        };
        let hex: String = letters.by_ref().take(digits).collect();
        let value = u32::from_str_radix(&hex, 16).ok()?;
        match digits {
            2 => out.push(u8::try_from(value).ok()?),
            _ => {
                let letter = char::from_u32(value)?;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    let plain = !out.is_empty() && out != b"." && out != b".." && !out.contains(&b'/');
    (plain && !out.contains(&0)).then_some(out)
}

fn simple(letter: char) -> Option<u8> {
    Some(match letter {
        'a' => 7,
        'b' => 8,
        't' => 9,
        'n' => 10,
        'v' => 11,
        'f' => 12,
        'r' => 13,
        '"' => b'"',
        '\'' => b'\'',
        '\\' => b'\\',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for name in [
            &b"plain.txt"[..],
            b"a \"b\" \\ c",
            b"new\nline",
            b"\xff\xfe",
            "Röntgen".as_bytes(),
        ] {
            assert_eq!(unquoted(&quoted(name)).unwrap(), name);
        }
        assert_eq!(unquoted("a\\u00e9\\tb").unwrap(), "aé\tb".as_bytes());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for text in ["", ".", "..", "a/b", "\\x2f", "\\x00", "\\q", "\\x"] {
            assert_eq!(unquoted(text), None, "{text}");
        }
    }
}
