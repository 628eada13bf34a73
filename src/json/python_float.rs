//! Floats as Python's `repr` prints them: the shortest digits that read back as the same double,
//! with an exponent below 1e-4 and from 1e16 on.

/// Decimal point positions (digits before the point) that Python writes without an exponent.
const POSITIONAL: std::ops::RangeInclusive<i32> = -3..=16;

/// Doubles that Python and the shortest form write alike when neither needs an exponent.
const ALIKE: std::ops::Range<f64> = 1e-4..1e16;

/// Appends a finite float.
pub(super) fn write(value: f64, out: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(value);
    // Nearly all doubles: the same digits, and neither of us writes an exponent.
    if ALIKE.contains(&value.abs()) && !shortest.contains('e') {
        out.extend_from_slice(shortest.as_bytes());
        return;
    }
    let (sign, shortest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    out.extend_from_slice(sign.as_bytes());
    let (mantissa, exponent) = shortest.split_once(['e', 'E']).unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = Digits::new(whole, fraction, exponent);
    if POSITIONAL.contains(&digits.point) {
        digits.write_positional(out);
    } else {
        digits.write_exponential(out);
    }
}

/// The significant digits of a number, and how many of them stand before the decimal point.
struct Digits {
    digits: smallvec::SmallVec<[u8; 24]>,
    point: i32,
}

impl Digits {
    fn new(whole: &str, fraction: &str, exponent: i32) -> Self {
        let mut digits: smallvec::SmallVec<[u8; 24]> =
            whole.bytes().chain(fraction.bytes()).collect();
        let mut point = exponent.saturating_add(i32::try_from(whole.len()).unwrap_or(i32::MAX));
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        if leading == digits.len() {
            return Self { digits: smallvec::smallvec![b'0'], point: 1 };
        }
        digits.drain(..leading);
        point = point.saturating_sub(i32::try_from(leading).unwrap_or(i32::MAX));
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        Self { digits, point }
    }

    fn write_positional(&self, out: &mut Vec<u8>) {
        let Ok(point) = usize::try_from(self.point) else {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', self.point.unsigned_abs() as usize));
            out.extend_from_slice(&self.digits);
            return;
        };
        if point == 0 {
            out.extend_from_slice(b"0.");
            out.extend_from_slice(&self.digits);
            return;
        }
        match self.digits.split_at_checked(point) {
            Some((whole, fraction)) => {
                out.extend_from_slice(whole);
                out.push(b'.');
                out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction });
            }
            None => {
                out.extend_from_slice(&self.digits);
                out.extend(std::iter::repeat_n(b'0', point - self.digits.len()));
                out.extend_from_slice(b".0");
            }
        }
    }

    fn write_exponential(&self, out: &mut Vec<u8>) {
        let (first, rest) = self.digits.split_first().unwrap_or((&b'0', &[]));
        out.push(*first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        let exponent = self.point.saturating_sub(1);
        out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        let magnitude = exponent.unsigned_abs();
        if magnitude < 10 {
            out.push(b'0');
        }
        out.extend_from_slice(itoa::Buffer::new().format(magnitude).as_bytes());
    }
}
