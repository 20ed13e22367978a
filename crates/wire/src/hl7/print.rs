use super::Message;

impl Message<'_> {
    /// The message written again from its index: every segment that was found, each ended by a
    /// carriage return, without byte-order mark and blank lines. UTF-8 if the character set had to
    /// be decoded first, otherwise in the bytes it came in.
    pub fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.text.len() + 1);
        for segment in self.all() {
            out.extend_from_slice(segment.name().as_bytes());
            let skip = usize::from(segment.is_header());
            for number in 1 + skip..=segment.fields() {
                out.push(self.rules.separators.field);
                out.extend_from_slice(segment.field(number).bytes());
            }
            out.push(b'\r');
        }
        out
    }
}
