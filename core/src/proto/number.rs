//! Decimal numbers of the wire, written and read without the machinery of `fmt` and `str`.

/// Appends `number` in decimal.
#[inline]
pub(super) fn write(number: u64, out: &mut Vec<u8>) {
    match number {
        0..10 => out.push(digit(number)),
        10..100 => out.extend_from_slice(&[digit(number / 10), digit(number % 10)]),
        100..1000 => out.extend_from_slice(&[digit(number / 100), digit(number / 10 % 10), digit(number % 10)]),
        _ => write_long(number, out),
    }
}

fn write_long(mut number: u64, out: &mut Vec<u8>) {
    // u64::MAX has 20 digits.
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while number > 0 {
        at -= 1;
        digits[at] = digit(number % 10);
        number /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

#[inline]
fn digit(number: u64) -> u8 {
    b'0' + number as u8
}

/// Appends `number` in decimal, with a minus sign when it is negative.
#[inline]
pub(super) fn write_signed(number: i32, out: &mut Vec<u8>) {
    if number < 0 {
        out.push(b'-');
    }
    write(u64::from(number.unsigned_abs()), out);
}

/// Reads a number made of digits and nothing else: no sign, no space, at least one digit, at most `u64::MAX`.
#[inline]
pub(super) fn parse(digits: &[u8]) -> Option<u64> {
    let mut rest = digits;
    take(&mut rest).filter(|_| rest.is_empty())
}

/// Takes the number at the front of `text`, by the rules of [`parse`], up to the first byte that is no digit.
#[inline]
pub(super) fn take(text: &mut &[u8]) -> Option<u64> {
    // 19 digits fit for certain.
    const SAFE: usize = 19;
    let (mut number, mut length) = (0u64, 0);
    while let Some(digit @ 0..=9) = text.get(length).map(|byte| byte.wrapping_sub(b'0')) {
        number = if length < SAFE {
            number.wrapping_mul(10).wrapping_add(u64::from(digit))
        } else {
            number.checked_mul(10)?.checked_add(u64::from(digit))?
        };
        length += 1;
    }
    *text = &text[length..];
    (length > 0).then_some(number)
}

/// Reads a number of at most 32 bits, by the rules of [`parse`].
#[inline]
pub(super) fn parse_u32(digits: &[u8]) -> Option<u32> {
    parse(digits).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_standard_library_writes_and_reads_back() {
        for number in [0, 1, 9, 10, 11, 99, 100, 12_345, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = Vec::new();
            write(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
            assert_eq!(parse(&out), Some(number));
        }
        for number in [0, -1, 7, i32::MAX, i32::MIN] {
            let mut out = Vec::new();
            write_signed(number, &mut out);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn nothing_but_digits_is_a_number() {
        for text in ["", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "99999999999999999999999"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"007"), Some(7));
        assert_eq!(parse_u32(b"4294967295"), Some(u32::MAX));
        assert_eq!(parse_u32(b"4294967296"), None);
    }
}
