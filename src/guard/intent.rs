//! What the model of the run has to do with a call: found out once, before any rule asks. It judges
//! nothing; rules do (`call.intended`).

use crate::call::{Intended, Known, Language, Standing};
use crate::clock::Now;
use crate::identify::{Call, Terms};
use crate::ledger::{Execution, Visit};

/// Holds a call against what models asked for. What it fulfils is used up for as long as the
/// execution is held. The arguments are those that the agent sent, not what rules make of them.
pub(super) fn hold_against(
    visit: &Visit,
    call: &mut Call,
    terms: &Terms,
    now: Now,
    known: &mut Known,
) -> Option<Execution> {
    match (&call.language, call.standing) {
        // Nobody asks a model to ask a model.
        (Language::Llm(_), _) | (_, Standing::Protocol) => return None,
        (Language::Http | Language::Mcp(_), Standing::Tool) => {}
    }
    if visit.is_without_models() {
        return None;
    }
    let (intent, execution) = visit.execute(&call.as_wish(terms), now);
    known.intended = intent.intended();
    call.intended = known.intended.map(Intended::holds);
    known.tool_call_id = match &execution {
        Some(execution) => execution.id().cloned(),
        None => intent.differs_from().cloned(),
    };
    execution
}
