//! Who may approve what a rule or limit holds back, and until when.

use std::sync::Arc;
use std::time::Duration;

use super::{Compiler, File, codes};
use crate::policy::model::{Approving, Verb};
use crate::yaml::{Diagnostic, Field, Period};

/// Most names in `approvers`, and the longest of them.
const APPROVERS_LIMIT: usize = 32;
const APPROVER_LIMIT_CHARS: usize = 128;

/// Shortest and longest time that an approval may take.
const EXPIRES_MIN: Duration = Duration::from_secs(1);
const EXPIRES_MAX: Duration = Duration::from_secs(7 * 86_400);

impl Compiler<'_> {
    pub(super) fn approving(
        &mut self,
        file: &File<'_>,
        then: Verb,
        approvers: Option<&Field<Vec<Field<String>>>>,
        expires: Option<&Field<Period>>,
    ) -> Approving {
        let stray = [
            ("approvers", approvers.map(|field| field.span)),
            ("expires", expires.map(|field| field.span)),
        ];
        for (key, span) in stray {
            if let (Some(span), true) = (span, then != Verb::Approve) {
                let message = format!("`{key}` goes with `then: approve` only");
                let fault = Diagnostic::error(codes::CONTRADICTION, message);
                self.fault(file, span, fault);
            }
        }
        let default = Approving::default();
        Approving {
            approvers: approvers.map_or(default.approvers, |list| self.approvers(file, list)),
            expires: expires.map_or(default.expires, |field| self.expires(file, field)),
        }
    }

    fn approvers(&mut self, file: &File<'_>, list: &Field<Vec<Field<String>>>) -> Arc<[Arc<str>]> {
        if list.value.is_empty() && file.is_whole(list.span) {
            let fault = Diagnostic::error(codes::EMPTY, "`approvers` names nobody");
            self.fault(file, list.span, fault.help("leave it out if anybody may approve"));
        }
        if list.value.len() > APPROVERS_LIMIT {
            let message = format!("more than {APPROVERS_LIMIT} approvers");
            let fault = Diagnostic::error(codes::NAME, message);
            self.fault(file, list.span, fault.help("name a group"));
        }
        for name in &list.value {
            let length = name.value.chars().count();
            if length == 0
                || length > APPROVER_LIMIT_CHARS
                || name.value.chars().any(char::is_control)
            {
                let message = format!("an approver is 1 to {APPROVER_LIMIT_CHARS} characters");
                self.fault(file, name.span, Diagnostic::error(codes::NAME, message));
            }
        }
        list.value.iter().map(|name| Arc::from(name.value.as_str())).collect()
    }

    fn expires(&mut self, file: &File<'_>, field: &Field<Period>) -> Duration {
        let time = field.value.0;
        if time < EXPIRES_MIN || time > EXPIRES_MAX {
            let fault = Diagnostic::error(codes::WITHIN, "`expires` is from 1s to 7d");
            self.fault(file, field.span, fault);
        }
        time
    }
}
