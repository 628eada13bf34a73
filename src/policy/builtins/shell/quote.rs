//! The escapes of `$'…'` (POSIX.1-2024, XCU 2.2.4), which `printf` and `echo -e` share.

/// Most octal digits of an escape in `$'…'`.
pub(super) const OCTAL_QUOTE_DIGITS: usize = 3;
/// Most octal digits of an escape of `printf` and `echo`, the leading zero included.
pub(super) const OCTAL_PRINT_DIGITS: usize = 4;

/// Decodes escapes; an unknown one stands as written. A character that ends the string early
/// (`\0`) ends it here as well. `None` for the form that shells read differently, `\x{…}`.
pub(super) fn decode_escapes(text: &str, octal_digits: usize) -> Option<String> {
    // Numeric escapes are bytes, and several may spell one character.
    let mut bytes = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut utf8 = [0_u8; 4];
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
            continue;
        }
        let Some(escape) = chars.next() else {
            bytes.push(b'\\');
            break;
        };
        let decoded = match escape {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'e' | 'E' => Some('\u{1b}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '\'' | '"' | '?' => Some(escape),
            'c' => chars.next().map(|c| char::from(u8::try_from(c).unwrap_or(0) & 0x1f)),
            'u' => digits(&mut chars, 16, 4).and_then(char::from_u32),
            'U' => digits(&mut chars, 16, 8).and_then(char::from_u32),
            'x' if chars.peek() == Some(&'{') => return None,
            'x' => {
                bytes.extend(digits(&mut chars, 16, 2).and_then(|byte| u8::try_from(byte).ok()));
                continue;
            }
            '0'..='7' => {
                let first = escape.to_digit(8).unwrap_or(0);
                let most = if first == 0 { octal_digits } else { OCTAL_QUOTE_DIGITS };
                let value = (1..most).fold(first, |value, _| {
                    let next = chars.next_if(|c| c.is_digit(8)).and_then(|c| c.to_digit(8));
                    next.map_or(value, |digit| value * 8 + digit)
                });
                bytes.push((value & 0xff) as u8);
                continue;
            }
            _ => None,
        };
        match decoded {
            Some(c) => bytes.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
            None => {
                bytes.push(b'\\');
                bytes.extend_from_slice(escape.encode_utf8(&mut utf8).as_bytes());
            }
        }
    }
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn digits(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    most: usize,
) -> Option<u32> {
    let mut value = None;
    for _ in 0..most {
        let Some(digit) = chars.next_if(|c| c.is_digit(radix)).and_then(|c| c.to_digit(radix))
        else {
            break;
        };
        value = Some(value.unwrap_or(0_u32).wrapping_mul(radix).wrapping_add(digit));
    }
    value
}
