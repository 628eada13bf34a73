//! Did you mean.

/// The candidate that `word` most likely stands for, if one is close: up to a third of its letters
/// may differ (a swap of two neighbours counts once), letter case and `-` for `_` aside.
pub fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    candidates
        .filter(|candidate| *candidate != word)
        .filter_map(|candidate| {
            let plain_candidate = plain(candidate);
            let distance = strsim::damerau_levenshtein(&wanted, &plain_candidate);
            let longer = wanted.chars().count().max(plain_candidate.chars().count());
            let limit = if longer <= 2 { 0 } else { longer.div_ceil(3) };
            (distance <= limit).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}
