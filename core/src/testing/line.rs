//! A command line: its words and its numbers, read as memcached reads them.

/// More words than this are only looked at by the commands that take many keys.
const MOST_WORDS: usize = 23;

/// The words of one line. Separators are spaces; a NUL ends the line, as in C.
#[derive(Debug)]
pub(super) struct Line<'a> {
    words: Vec<&'a [u8]>,
}

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let end = line.iter().position(|byte| *byte == 0).unwrap_or(line.len());
        let words = line[..end].split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
        Self { words }
    }

    /// The command.
    pub(super) fn command(&self) -> &'a [u8] {
        self.words.first().copied().unwrap_or_default()
    }

    /// How many words there are, the command included; counted up to 23.
    pub(super) fn len(&self) -> usize {
        self.words.len().min(MOST_WORDS)
    }

    /// A word; the command is word 0. Empty when there is none.
    pub(super) fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// All words from this one on.
    pub(super) fn from(&self, index: usize) -> &[&'a [u8]] {
        self.words.get(index..).unwrap_or_default()
    }

    /// Whether the last word asks for no reply.
    pub(super) fn is_noreply(&self) -> bool {
        self.word(self.len() - 1) == b"noreply"
    }
}

/// A whole number as C's `strtoull` reads it: white space and a sign may stand before it, white space behind it.
fn digits(text: &[u8]) -> Option<(bool, u64)> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let (negative, rest) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let length = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    if length == 0 || rest.get(length).is_some_and(|byte| *byte != 0 && !is_space(byte)) {
        return None;
    }
    let step = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    Some((negative, rest[..length].iter().try_fold(0, step)?))
}

/// An unsigned number of 64 bits. A negative one wraps, and is refused only when it then looks negative: that is what C does.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let (negative, magnitude) = digits(text)?;
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    if value > i64::MAX as u64 && text.contains(&b'-') {
        return None;
    }
    Some(value)
}

/// An unsigned number of 32 bits; a larger one loses its upper bits.
pub(super) fn unsigned32(text: &[u8]) -> Option<u32> {
    Some(unsigned(text)? as u32)
}

/// A signed number of 32 bits; one of up to 64 bits loses its upper bits.
pub(super) fn signed32(text: &[u8]) -> Option<i32> {
    let (negative, magnitude) = digits(text)?;
    let value = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    Some(i64::try_from(value).ok()? as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_separated_by_spaces_and_ended_by_nul() {
        let line = Line::parse(b"  get  a\tb \0 c");
        assert_eq!((line.command(), line.word(1), line.len()), (&b"get"[..], &b"a\tb"[..], 2));
        assert_eq!(line.word(2), b"");
        assert!(Line::parse(b"").from(1).is_empty());
    }

    #[test]
    fn unsigned_numbers_are_those_of_c() {
        for (text, value) in [("0", 0), ("+7", 7), (" 7", 7), ("7 x", 7), ("7\0x", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(unsigned(text.as_bytes()), Some(value), "{text:?}");
        }
        assert_eq!(unsigned(b"-18446744073709551611"), Some(5));
        for text in ["", " ", "-", "x", "7x", "-1", "18446744073709551616", "0x10"] {
            assert_eq!(unsigned(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(unsigned32(b"4294967297"), Some(1));
    }

    #[test]
    fn signed_numbers_lose_their_upper_bits() {
        assert_eq!(signed32(b"-1"), Some(-1));
        assert_eq!(signed32(b"4294967299"), Some(3));
        assert_eq!(signed32(b"2147483648"), Some(i32::MIN));
        assert_eq!(signed32(b"9223372036854775808"), None);
    }
}
