//! What an answer of a model leaves behind in its run: the calls that it asks for, what a later
//! request may go on from, and whether it is the last word.

use std::sync::Arc;

use bytes::Bytes;

use crate::call::Status;
use crate::json::{Document, JSON_DEPTH_LIMIT};
use crate::ledger::{ArgsKey, AskedCall, Given, ModelAnswer};
use crate::protocol::llm::{Asked, Kind, Order, Said};

/// What is remembered of an answer; `None` where no model has spoken.
pub(super) fn answered(order: &Order, status: Status, said: &Said) -> Option<ModelAnswer> {
    let given = match order.operation().kind {
        Kind::Generate if is_begun(said) => Given::Later,
        Kind::Generate => Given::Now,
        Kind::Look if !said.finish.is_empty() => Given::Fetched,
        Kind::Look | Kind::Embed | Kind::Manage => return None,
    };
    let spoke = status == Status::Ok || !said.asked.is_empty();
    spoke.then(|| ModelAnswer {
        response: said.response_id.as_deref().map(Arc::from),
        conversation: order.hints().conversation.as_deref().map(Arc::from),
        calls: wishes(said.asked.get(said.told..).unwrap_or_default()),
        is_final: said.is_final && status == Status::Ok,
        given,
    })
}

/// The model works on an answer that says nothing yet but its id.
fn is_begun(said: &Said) -> bool {
    said.response_id.is_some()
        && said.finish.is_empty()
        && said.asked.is_empty()
        && !said.asked_more
}

/// Whether the tool calls of such an answer are wishes as soon as they have passed.
pub(super) fn are_told_early(order: &Order) -> bool {
    match order.operation().kind {
        Kind::Generate => true,
        // Whether it counts is known once its id is.
        Kind::Look | Kind::Embed | Kind::Manage => false,
    }
}

/// What is remembered of tool calls that a model asked for.
pub(super) fn wishes(asked: &[Asked]) -> Vec<AskedCall> {
    asked.iter().map(wish).collect()
}

fn wish(asked: &Asked) -> AskedCall {
    let id = asked.id.as_deref().map_or_else(|| Arc::from(""), Arc::from);
    let args = asked.is_whole.then(|| read(&asked.args)).flatten();
    AskedCall { id, name: asked.name.clone(), args }
}

/// What the arguments mean. Where there are none, providers write nothing or an empty object.
fn read(args: &[u8]) -> Option<ArgsKey> {
    let text: &[u8] = if args.trim_ascii().is_empty() { b"{}" } else { args };
    let document = Document::parse(Bytes::copy_from_slice(text), JSON_DEPTH_LIMIT).ok()?;
    Some(ArgsKey::of(document.root()))
}
