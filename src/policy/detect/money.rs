//! Card numbers and bank accounts, both with checksums.

use std::ops::Range;

use super::{begins, ends, run};

/// Digits of a card number.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Digits between two separators of a card number.
const CARD_GROUP: std::ops::RangeInclusive<usize> = 3..=7;

/// Lengths of bank account numbers by country (SWIFT IBAN registry).
const IBAN_LENGTHS: [(&[u8; 2], usize); 77] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VG", 24),
    (b"XK", 20),
];

fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// A card number: digits alone, or in groups apart by one kind of separator.
pub(super) fn card_number(text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let start = at + text.as_bytes().get(at..)?.iter().position(|byte| digit(*byte))?;
        if begins(text, start)
            && !follows_a_point(text, start)
            && let Some(end) = card_at(text, start)
        {
            return Some(start..end);
        }
        at = start + run(text, start, digit);
    }
}

/// Whether a number is the fraction of another.
fn follows_a_point(text: &str, at: usize) -> bool {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    matches!(before, [.., b'0'..=b'9', b'.'])
}

/// Where the longest card number ends that begins with the group of digits at `start`.
fn card_at(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut digits: Vec<u8> = Vec::with_capacity(*CARD_DIGITS.end());
    let (mut at, mut found, mut separator) = (start, None, None);
    loop {
        let length = run(text, at, digit);
        let group = bytes.get(at..at + length).unwrap_or_default();
        digits.extend(group.iter().take(CARD_DIGITS.end() + 1));
        if digits.len() > *CARD_DIGITS.end() {
            return found;
        }
        let grouped = separator.is_none() || CARD_GROUP.contains(&length);
        at += length;
        let decimals = matches!(bytes.get(at..), Some([b'.', b'0'..=b'9', ..]));
        if grouped && ends(text, at) && !decimals && is_card(digits.iter().copied()) {
            found = Some(at);
        }
        match bytes.get(at..) {
            Some([mark @ (b' ' | b'-'), b'0'..=b'9', ..])
                if CARD_GROUP.contains(&length) && separator.is_none_or(|known| known == *mark) =>
            {
                separator = Some(*mark);
                at += 1;
            }
            _ => return found,
        }
    }
}

/// Whether ASCII digits are a card number: an issuer's first digits, a length it uses, Luhn.
pub(super) fn is_card(
    digits: impl DoubleEndedIterator<Item = u8> + ExactSizeIterator + Clone,
) -> bool {
    let length = digits.len();
    if !CARD_DIGITS.contains(&length) {
        return false;
    }
    let values = digits.map(|byte| u32::from(byte.wrapping_sub(b'0')));
    let first: u32 = values.clone().take(6).fold(0, |number, digit| number * 10 + digit);
    let issued = match first / 100 {
        4000..=4999 => matches!(length, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => length == 16,
        3400..=3499 | 3700..=3799 => length == 15,
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        3528..=3589 | 6011 | 6440..=6599 | 6200..=6299 | 8100..=8199 => length >= 16,
        5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763 => true,
        _ => false,
    };
    issued && luhn(values.rev())
}

/// The Luhn check (ISO/IEC 7812-1, annex B), from the last digit on.
fn luhn(from_last: impl Iterator<Item = u32>) -> bool {
    let sum: u32 = from_last
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A bank account number, in one piece or with single blanks.
pub(super) fn iban(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let start = at + bytes.get(at..)?.windows(4).position(|four| {
            matches!(four, [a, b, c, d] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && digit(*c) && digit(*d))
        })?;
        if begins(text, start)
            && let Some(end) = iban_at(text, start)
        {
            return Some(start..end);
        }
        at = start + 1;
    }
}

fn iban_at(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(start..)?;
    let country: [u8; 2] = bytes.first_chunk::<2>()?.map(|byte| byte.to_ascii_uppercase());
    let length = IBAN_LENGTHS.iter().find(|(known, _)| **known == country)?.1;
    let mut letters: Vec<u8> = Vec::with_capacity(length);
    let mut used = 0;
    let mut blank = true;
    for byte in bytes {
        match byte {
            byte if byte.is_ascii_alphanumeric() => {
                letters.push(byte.to_ascii_uppercase());
                blank = false;
            }
            b' ' if !blank => blank = true,
            _ => return None,
        }
        used += 1;
        if letters.len() == length {
            break;
        }
    }
    let end = start + used;
    let (head, rest) = letters.split_at_checked(4)?;
    let remainder = rest.iter().chain(head).fold(0_u32, |sum, letter| match letter {
        b'0'..=b'9' => (sum * 10 + u32::from(letter - b'0')) % 97,
        _ => (sum * 100 + u32::from(letter.wrapping_sub(b'A')) + 10) % 97,
    });
    (letters.len() == length && remainder == 1 && ends(text, end)).then_some(end)
}
