//! The classic text format of Prometheus, made of OpenMetrics text: there a counter's description
//! names its `_total` series, there are no exemplars, and there is no end marker.
//!
//! Formats: OpenMetrics 1.0, "Text format"; Prometheus, "Text-based format", version 0.0.4.

use std::collections::HashSet;

/// The same metrics in the classic format.
pub(super) fn classic(open_metrics: &str) -> String {
    let counters: HashSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines().filter(|line| *line != "# EOF") {
        match described(line) {
            Some((start, name, rest)) if counters.contains(name) => {
                text.extend([start, name, "_total ", rest]);
            }
            Some(_) => text.push_str(line),
            None => text.push_str(without_exemplar(line)),
        }
        text.push('\n');
    }
    text
}

/// The beginning, the name and the rest of a line that describes a metric.
fn described(line: &str) -> Option<(&'static str, &str, &str)> {
    ["# TYPE ", "# HELP "].into_iter().find_map(|start| {
        let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
        Some((start, name, rest))
    })
}

/// A sample up to its exemplar. The value of a label may have any letters: only a `#` outside of
/// quotes begins an exemplar.
fn without_exemplar(line: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '#' if !quoted => return line.get(..at).unwrap_or(line).trim_end(),
            _ => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exemplars_go_and_values_that_look_like_them_stay() {
        for (open, plain) in [
            (
                r#"a_bucket{le="1"} 2 # {trace_id="ab",span_id="c"} 0.5 17.2"#,
                r#"a_bucket{le="1"} 2"#,
            ),
            (r#"a_total 2 # {trace_id="ab"} 1"#, "a_total 2"),
            (r#"a_total{tool="x # {y=\"z\"} 1"} 2"#, r#"a_total{tool="x # {y=\"z\"} 1"} 2"#),
            (r##"a_total{tool="\\"} 2 # {t="#"} 1"##, r#"a_total{tool="\\"} 2"#),
            (r#"a_total{tool="\\\" # {"} 2 # {t="\""} 1"#, r#"a_total{tool="\\\" # {"} 2"#),
            (r#"a_total{tool="é # {"} 2"#, r#"a_total{tool="é # {"} 2"#),
            ("a 2", "a 2"),
        ] {
            assert_eq!(without_exemplar(open), plain);
        }
    }

    #[test]
    fn counters_are_described_by_the_names_of_their_series() {
        let open = "# HELP a Of a # {b}.\n# TYPE a counter\na_total 1\n# HELP a_x Level.\n\
                    # TYPE a_x gauge\na_x 2\n# EOF\n";
        let plain = "# HELP a_total Of a # {b}.\n# TYPE a_total counter\na_total 1\n\
                     # HELP a_x Level.\n# TYPE a_x gauge\na_x 2\n";
        assert_eq!(classic(open), plain);
    }
}
