//! The names under which the price of a model may be listed.

/// Digits of a date without dashes: `20250929`.
const DATE_DIGITS: usize = 8;

/// What to look for, the most exact first.
pub(super) fn candidates(provider: &str, model: &str) -> Vec<String> {
    let model = model.to_ascii_lowercase();
    let model = model.strip_prefix("models/").unwrap_or(&model);
    // `ft:gpt-4o-2024-08-06:acme::id` is listed as `ft:gpt-4o-2024-08-06`.
    let mut names: Vec<String> = Vec::new();
    let mut bases = vec![model.to_owned()];
    if let Some(tuned) = model.strip_prefix("ft:") {
        let base = tuned.split(':').next().unwrap_or_default();
        bases.push(format!("ft:{base}"));
        bases.extend(undated(base).map(|base| format!("ft:{base}")));
    } else {
        bases.extend(undated(model).map(str::to_owned));
        bases.extend(model.strip_suffix("-latest").map(str::to_owned));
    }
    for base in bases {
        let prefixed = format!("{provider}/{base}");
        // A bare Gemini name is listed for another service, with prices of its own.
        let own_first = matches!(provider, "gemini" | "azure");
        let pair = if own_first { [prefixed, base] } else { [base, prefixed] };
        names.extend(pair);
    }
    names
}

/// The name without the date behind it: `gpt-4o` of `gpt-4o-2024-08-06`.
fn undated(model: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((rest, date)) = model.rsplit_once(['-', '@'])
        && date.len() == DATE_DIGITS
        && digits(date)
    {
        return Some(rest);
    }
    let (rest, day) = model.rsplit_once('-')?;
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    let is_date = [day, month, year].iter().all(|part| digits(part));
    (is_date && (day.len(), month.len(), year.len()) == (2, 2, 4)).then_some(rest)
}

/// Whether a name fits a pattern with `*`, each for any text.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}
