//! What commands share about writing: output formats, colour, and figures for people.

use std::io::IsTerminal;

use clap::ValueEnum;

/// How a result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Whether colour is wanted on `stream`: on a terminal, unless `NO_COLOR` is set to anything
/// (no-color.org).
pub fn wants_color(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && stream.is_terminal()
}

/// A meaning that a colour stands for (ECMA-48 SGR codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Faint,
    Good,
    Failed,
    Refused,
}

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    pub color: bool,
}

impl Paint {
    /// The text in that tone. Pad before painting: the codes have no width.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Good => "32",
            Tone::Failed => "33",
            Tone::Refused => "31",
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A number of milliseconds in the unit that reads best: `0.4 ms`, `12 ms`, `3.21 s`, `2m 05s`,
/// `1h 02m`.
pub fn duration(ms: f64) -> String {
    let ms = ms.max(0.0);
    if ms == 0.0 {
        "0 ms".to_owned()
    } else if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else if ms < 59_995.0 {
        format!("{:.2} s", ms / 1e3)
    } else {
        let minutes = (ms / 60e3).floor();
        let seconds = (ms / 1e3) % 60.0;
        if minutes < 60.0 {
            format!("{minutes:.0}m {:02.0}s", seconds.floor())
        } else {
            format!("{:.0}h {:02.0}m", (minutes / 60.0).floor(), minutes % 60.0)
        }
    }
}

/// `1 call`, `2 calls`.
pub fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// At most `width` characters of the text; a longer one ends in `…`. Control characters, which
/// could rewrite the terminal, become spaces. What breaks lines or is invisible, and so could show
/// something else than there is, is written as `\u{…}`.
pub fn fit(text: &str, width: usize) -> String {
    let mut shown = Vec::new();
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => shown.push(' '),
            letter if deceives(letter) => shown.extend(letter.escape_unicode()),
            letter => shown.push(letter),
        }
        if shown.len() > width {
            let kept = shown.into_iter().take(width.saturating_sub(1));
            return kept.chain(std::iter::once('…')).collect();
        }
    }
    shown.into_iter().collect()
}

/// The general categories Cf, Zl and Zp of Unicode 16: bidirectional overrides, joiners, tags and
/// breaks.
fn deceives(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
        | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_in_their_best_unit() {
        let cases = [
            (0.0, "0 ms"),
            (0.42, "0.4 ms"),
            (12.3, "12 ms"),
            (999.6, "1.00 s"),
            (3_214.0, "3.21 s"),
            (125_900.0, "2m 05s"),
            (3_720_000.0, "1h 02m"),
        ];
        for (ms, expected) in cases {
            assert_eq!(duration(ms), expected);
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_and_cannot_control_the_terminal() {
        assert_eq!(fit("booking.confirm", 8), "booking…");
        assert_eq!(fit("a\u{1b}[2Jb", 9), "a [2Jb");
        for letter in ['\u{202e}', '\u{2028}', '\u{2029}', '\u{200b}', '\u{feff}', '\u{e0041}'] {
            let shown = fit(&format!("a{letter}b"), 20);
            assert_eq!(shown, format!("a{}b", letter.escape_unicode()));
        }
        assert_eq!(fit("a\u{202e}b", 4), "a\\u…");
        assert_eq!(fit("naïve — 日本語", 20), "naïve — 日本語");
    }
}
