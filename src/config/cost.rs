//! What calls cost, from the keys `cost_usd` and `cost_from` of an upstream or a tool.

use super::codes;
use super::raw;
use super::validate::Check;
use crate::call::plan::CostPlan;
use crate::policy::amount::Usd;
use crate::policy::expr::{self, Site};
use crate::yaml::{Diagnostic, ScalarFault, Text};

/// The two keys as they are written.
#[derive(Clone, Default)]
pub(super) struct Written {
    usd: Option<Text>,
    from: Option<Text>,
}

/// What an upstream says of all its tools; faults are reported.
pub(super) fn shared(raw: &raw::Upstream, check: &mut Check<'_>) -> Written {
    let written = Written { usd: raw.cost_usd.clone(), from: raw.cost_from.clone() };
    written.plan(Some(check));
    written
}

/// The cost of a tool: its own keys, or else the upstream's. Faults of its own are reported.
pub(super) fn of_tool(raw: &raw::Tool, shared: &Written, check: &mut Check<'_>) -> CostPlan {
    let own = Written { usd: raw.cost_usd.clone(), from: raw.cost_from.clone() };
    match (&own.usd, &own.from) {
        (None, None) => shared.plan(None),
        (Some(_), _) | (_, Some(_)) => own.plan(Some(check)),
    }
}

impl Written {
    fn plan(&self, mut check: Option<&mut Check<'_>>) -> CostPlan {
        let mut fault = |code, span, text| {
            if let Some(check) = &mut check {
                check.fault(code, span, text);
            }
        };
        let max = self.usd.as_ref().and_then(|text| {
            let read = Usd::parse(&text.value);
            read.map_err(|wrong| fault(codes::COST, text.span, wrong)).ok()
        });
        let Some(from) = &self.from else { return CostPlan::fixed(max.unwrap_or_default()) };
        if self.usd.is_none() {
            let text = ScalarFault::new(
                "`cost_from` needs `cost_usd`, the most that a call can cost",
            )
            .help(
                "it is reserved before the call is forwarded, and charged when the result does \
                     not say what it cost: for example `cost_usd: 0.05`",
            );
            fault(codes::CONFLICT, from.span, text);
        }
        match expr::compile(&from.value, Site::Cost) {
            Ok(program) => CostPlan::read(program, max.unwrap_or_default()),
            Err(errors) => {
                if let Some(check) = check {
                    for error in errors {
                        let mut fault = Diagnostic::error(error.code, error.message)
                            .at(check.source, from.locate(error.span));
                        fault.help = error.help;
                        check.faults.push(fault);
                    }
                }
                CostPlan::default()
            }
        }
    }
}
