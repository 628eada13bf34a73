//! Random JSON texts from a seed: every kind of value, written in as many ways as JSON allows.

use std::collections::BTreeSet;

/// Xorshift64*: enough for tests, and the same on every machine.
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
}

/// One JSON text without duplicate names.
pub fn document(random: &mut Random) -> String {
    let mut out = String::new();
    space(random, &mut out);
    value(random, 5, &mut out);
    space(random, &mut out);
    out
}

/// Bytes that are likely to turn one JSON text into another.
const DAMAGE: &[u8] = b"{}[]\",:\\0-.eE 1aftu\0\xff\x80";

/// A text that was JSON before one to four bytes were replaced, added or removed.
pub fn damaged_document(random: &mut Random) -> Vec<u8> {
    let mut bytes = document(random).into_bytes();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() as u64) as usize;
        let damage = DAMAGE[random.below(DAMAGE.len() as u64) as usize];
        match random.below(3) {
            0 => bytes[at] = damage,
            1 => bytes.insert(at, damage),
            _ if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => {}
        }
    }
    bytes
}

fn value(random: &mut Random, depth: u32, out: &mut String) {
    let kinds = if depth == 0 { 7 } else { 11 };
    match random.below(kinds) {
        0 => out.push_str(random.pick(&["null", "true", "false"])),
        1 => integer(random, out),
        2 | 3 => float(random, out),
        4..=6 => {
            let text = text(random);
            string(random, &text, out);
        }
        7 | 8 => array(random, depth, out),
        _ => object(random, depth, out),
    }
}

fn array(random: &mut Random, depth: u32, out: &mut String) {
    out.push('[');
    space(random, out);
    for index in 0..random.below(6) {
        if index > 0 {
            out.push(',');
        }
        space(random, out);
        value(random, depth - 1, out);
        space(random, out);
    }
    out.push(']');
}

fn object(random: &mut Random, depth: u32, out: &mut String) {
    let most = if random.below(20) == 0 { 60 } else { 7 };
    let names: BTreeSet<String> = (0..random.below(most)).map(|_| text(random)).collect();
    let mut names: Vec<_> = names.into_iter().collect();
    for index in (1..names.len()).rev() {
        names.swap(index, random.below(index as u64 + 1) as usize);
    }
    out.push('{');
    space(random, out);
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        space(random, out);
        string(random, name, out);
        space(random, out);
        out.push(':');
        space(random, out);
        value(random, depth - 1, out);
        space(random, out);
    }
    out.push('}');
}

fn space(random: &mut Random, out: &mut String) {
    if random.below(4) == 0 {
        out.push_str(random.pick(&[" ", "\n", "\t", "\r\n", "   "]));
    }
}

fn integer(random: &mut Random, out: &mut String) {
    let bits = random.below(64) as u32;
    let number = random.next() >> bits;
    match random.below(8) {
        0 => out.push_str(random.pick(&[
            "0",
            "-0",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "18446744073709551615",
            "9007199254740993",
        ])),
        1..=3 => out.push_str(&number.to_string()),
        _ => out.push_str(&(number as i64).to_string()),
    }
}

fn float(random: &mut Random, out: &mut String) {
    match random.below(6) {
        0 => out.push_str(random.pick(&[
            "0.0",
            "-0.0",
            "-0e0",
            "0e9",
            "1e16",
            "1E+15",
            "1e-4",
            "0.00001",
            "1e22",
            "1e23",
            "5e-324",
            "4.9e-324",
            "2.2250738585072011e-308",
            "1.7976931348623157e308",
            "1e-400",
            "100000.0",
            "9007199254740993.0",
            "9223372036854775808.0",
            "-9223372036854775808e0",
            "1e19",
            "0.1",
        ])),
        // Any bit pattern, printed with as many digits as it needs.
        1 | 2 => {
            let any = f64::from_bits(random.next());
            let finite = if any.is_finite() { any } else { 1.5 };
            out.push_str(&format!("{finite:e}"));
        }
        // Bit patterns of everyday size, printed in full.
        3 => {
            let exponent = 1023 - 70 + random.below(140);
            let value = f64::from_bits((random.next() >> 12) | (exponent << 52));
            let decimals = 1 + random.below(20) as usize;
            out.push_str(&format!("{value:.decimals$}"));
        }
        // Digits that are not the shortest for any double, so that rounding matters.
        4 => {
            let digits: String = (0..=random.below(30)).map(|_| digit(random)).collect();
            let exponent = random.below(560) as i64 - 300;
            out.push_str(&format!("{}.{digits}e{exponent}", digit(random)));
        }
        _ => {
            let cents = random.below(10_000_000);
            out.push_str(&format!("{}{}.{:02}", random.pick(&["", "-"]), cents / 100, cents % 100));
        }
    }
}

fn digit(random: &mut Random) -> char {
    char::from(b'0' + random.below(10) as u8)
}

fn text(random: &mut Random) -> String {
    (0..random.below(9)).map(|_| character(random)).collect()
}

fn character(random: &mut Random) -> char {
    let code = match random.below(12) {
        0 => random.below(0x20),
        1 => 0x80 + random.below(0x780),
        2 => 0x800 + random.below(0xd000),
        3 => 0xe000 + random.below(0x2000),
        4 => 0x1_0000 + random.below(0x10_0000),
        5 => {
            return random
                .pick(&["\"", "\\", "/", "\u{7f}", "\u{2028}", "\u{feff}", "é"])
                .chars()
                .next()
                .unwrap();
        }
        _ => u64::from(b'a') + random.below(26),
    };
    char::from_u32(code as u32).unwrap_or('?')
}

/// A string literal, each character raw or escaped as it comes.
fn string(random: &mut Random, text: &str, out: &mut String) {
    let escapes = random.below(3);
    out.push('"');
    for character in text.chars() {
        let must = character < ' ' || character == '"' || character == '\\';
        if !must && (escapes == 0 || random.below(4) > 0) {
            out.push(character);
            continue;
        }
        let short = match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '/' => "\\/",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            _ => "",
        };
        if !short.is_empty() && random.below(2) == 0 {
            out.push_str(short);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            let upper = random.below(2) == 0;
            out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }
    out.push('"');
}
