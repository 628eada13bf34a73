//! Which run is meant?

use std::path::PathBuf;

use crate::cli::events::{self, Belonging, EventsError, Kind};

/// Ids shown when the beginning of an id fits several runs.
const SHOWN_LIMIT: usize = 8;

/// How a run is named.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'a> {
    /// The run of the last call that was recorded.
    Last,
    /// By its id, or by the beginning of it.
    Named(&'a str),
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Run(String),
    Nothing,
    /// Some of the ids that begin so.
    Several(Vec<String>),
}

/// Finds the run in the files.
pub(super) fn find(paths: &[PathBuf], wanted: Wanted<'_>) -> Result<Found, EventsError> {
    let mut last = None;
    let mut exact = false;
    let mut similar: Vec<String> = Vec::new();
    events::scan(paths, |event: Belonging| {
        let Some(id) = event.run_id else { return };
        match wanted {
            Wanted::Last if event.kind == Kind::Call => last = Some(id),
            Wanted::Named(name) if id == name => exact = true,
            Wanted::Named(name) if id.starts_with(name) && similar.len() < SHOWN_LIMIT => {
                if !similar.contains(&id) {
                    similar.push(id);
                }
            }
            Wanted::Last | Wanted::Named(_) => {}
        }
    })?;
    Ok(match (wanted, last, similar.len()) {
        (Wanted::Named(name), _, _) if exact => Found::Run(name.to_owned()),
        (Wanted::Named(_), _, 1) => similar.pop().map_or(Found::Nothing, Found::Run),
        (Wanted::Last, Some(id), _) => Found::Run(id),
        (Wanted::Last, None, _) | (Wanted::Named(_), _, 0) => Found::Nothing,
        (Wanted::Named(_), _, _) => Found::Several(similar),
    })
}
