//! What may become of an approval, step by step in virtual time.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall_ms: i64::try_from(seconds).unwrap() * 1_000 }
}

fn wanted(body: &str, run: &str, version: &str, rules: &[&str]) -> Wanted {
    let subject = Subject {
        caller: Caller::default(),
        run: Arc::from(run),
        tool: Arc::from("pay.refund"),
        method: Arc::from("POST"),
        path: Arc::from("/refunds"),
        query: None,
        args: None,
        body: Some(Arc::from(body.as_bytes())),
        body_bytes: body.len() as u64,
    };
    Wanted {
        key: ApprovalKey::of(&[run.as_bytes(), body.as_bytes()]),
        subject,
        rules: rules.iter().map(|rule| Arc::from(*rule)).collect(),
        message: Arc::from("Ask."),
        approvers: Vec::new(),
        expires: HOUR,
        policy_version: Arc::from(version),
    }
}

fn ask(approvals: &Approvals, body: &str, seconds: u64) -> Answer {
    approvals.ask(wanted(body, "r", "v1", &["p/a"]), at(seconds)).0
}

fn by(actor: &str) -> Decided {
    Decided { actor: Arc::from(actor), note: Arc::from("because"), at_ms: 0 }
}

fn decide(
    approvals: &Approvals,
    id: &str,
    decision: Decision,
    seconds: u64,
) -> Result<ApprovalStatus, Undecidable> {
    let (decided, _) = approvals.decide(id, decision, by("ann"), "v1", at(seconds));
    decided.map(|record| record.status)
}

fn pending(answer: Answer) -> Arc<str> {
    let Answer::Pending { id, .. } = answer else { panic!("{answer:?}") };
    id
}

#[test]
fn one_approval_lets_exactly_one_call_pass() {
    let approvals = Approvals::default();
    let id = pending(ask(&approvals, "{}", 0));
    assert_eq!(pending(ask(&approvals, "{}", 1)), id, "asking again is the same request");
    assert_eq!(decide(&approvals, &id, Decision::Approve, 2), Ok(ApprovalStatus::Approved));
    assert_eq!(decide(&approvals, &id, Decision::Approve, 2), Ok(ApprovalStatus::Approved));
    assert!(matches!(ask(&approvals, "{ }", 3), Answer::Pending { .. }), "other bytes");
    assert_eq!(ask(&approvals, "{}", 3), Answer::Passes(id.clone()));
    let again = pending(ask(&approvals, "{}", 3));
    assert_ne!(again, id);
    assert_eq!(decide(&approvals, &id, Decision::Deny, 4), Err(Undecidable::Used));
    assert_eq!(decide(&approvals, "apr_none", Decision::Deny, 4), Err(Undecidable::Unknown));
}

#[test]
fn a_denial_holds_until_it_expires() {
    let approvals = Approvals::default();
    let id = pending(ask(&approvals, "{}", 0));
    assert_eq!(decide(&approvals, &id, Decision::Deny, 1), Ok(ApprovalStatus::Denied));
    assert_eq!(decide(&approvals, &id, Decision::Deny, 1), Ok(ApprovalStatus::Denied));
    assert_eq!(decide(&approvals, &id, Decision::Approve, 1), Err(Undecidable::Denied));
    assert!(
        matches!(ask(&approvals, "{}", 3_600), Answer::Denied { note, .. } if &*note == "because")
    );
    assert_ne!(pending(ask(&approvals, "{}", 3_601)), id);
}

#[test]
fn an_approval_can_be_taken_back_before_it_is_used() {
    let approvals = Approvals::default();
    let id = pending(ask(&approvals, "{}", 0));
    assert_eq!(decide(&approvals, &id, Decision::Approve, 1), Ok(ApprovalStatus::Approved));
    assert_eq!(decide(&approvals, &id, Decision::Deny, 2), Ok(ApprovalStatus::Denied));
    assert!(matches!(ask(&approvals, "{}", 3), Answer::Denied { .. }));
}

#[test]
fn expiry_is_told_once_and_then_asked_anew() {
    for swept in [false, true] {
        let approvals = Approvals::default();
        let id = pending(ask(&approvals, "{}", 0));
        assert_eq!(pending(ask(&approvals, "{}", 3_599)), id);
        if swept {
            let what: Vec<_> = approvals.expire(at(3_600)).iter().map(|c| c.what).collect();
            assert_eq!(what, ["expired"]);
        }
        assert_eq!(decide(&approvals, &id, Decision::Approve, 3_600), Err(Undecidable::Expired));
        assert_eq!(ask(&approvals, "{}", 3_600), Answer::Expired(id.clone()));
        assert_ne!(pending(ask(&approvals, "{}", 3_600)), id);
    }
}

#[test]
fn the_time_to_use_it_begins_with_the_approval() {
    let approvals = Approvals::default();
    let id = pending(ask(&approvals, "{}", 0));
    assert!(decide(&approvals, &id, Decision::Approve, 3_000).is_ok());
    assert_eq!(ask(&approvals, "{}", 6_599), Answer::Passes(id));
    let id = pending(ask(&approvals, "{}", 7_000));
    assert!(decide(&approvals, &id, Decision::Approve, 7_000).is_ok());
    assert_eq!(ask(&approvals, "{}", 10_600), Answer::Expired(id));
}

#[test]
fn other_policies_and_more_rules_need_another_approval() {
    let approvals = Approvals::default();
    let id = pending(ask(&approvals, "{}", 0));
    assert!(decide(&approvals, &id, Decision::Approve, 0).is_ok());
    let (answer, _) = approvals.ask(wanted("{}", "r", "v2", &["p/a"]), at(1));
    let Answer::Pending { id: second, anew: true } = answer else { panic!("{answer:?}") };
    assert_eq!(approvals.get(&id).unwrap().status, ApprovalStatus::Superseded);
    assert_eq!(decide(&approvals, &second, Decision::Approve, 2), Err(Undecidable::Superseded));

    let id = pending(ask(&approvals, "{1}", 3));
    assert!(decide(&approvals, &id, Decision::Approve, 3).is_ok());
    let (answer, _) = approvals.ask(wanted("{1}", "r", "v1", &["p/a", "p/b"]), at(4));
    let Answer::Pending { id: both, anew: true } = answer else { panic!("{answer:?}") };
    assert!(decide(&approvals, &both, Decision::Approve, 4).is_ok());
    assert_eq!(ask(&approvals, "{1}", 5), Answer::Passes(both), "fewer rules are covered");
}

#[test]
fn nobody_approves_rules_they_were_not_shown() {
    let approvals = Approvals::default();
    let shown = pending(ask(&approvals, "{}", 0));
    let (answer, changes) = approvals.ask(wanted("{}", "r", "v1", &["p/a", "p/b"]), at(1));
    let Answer::Pending { id: both, anew: true } = answer else { panic!("{answer:?}") };
    assert_ne!(both, shown);
    let what: Vec<_> = changes.iter().map(|change| change.what).collect();
    assert_eq!(what, ["superseded", "requested"]);
    assert_eq!(decide(&approvals, &shown, Decision::Approve, 2), Err(Undecidable::Superseded));
    assert_eq!(pending(ask(&approvals, "{}", 3)), both, "the one for more rules covers fewer");
    assert_eq!(decide(&approvals, &both, Decision::Approve, 4), Ok(ApprovalStatus::Approved));
    let (answer, _) = approvals.ask(wanted("{}", "r", "v1", &["p/b", "p/a"]), at(5));
    assert_eq!(answer, Answer::Passes(both));
}

#[test]
fn denying_a_flood_makes_room_and_denials_are_bounded_too() {
    let approvals = Approvals::default();
    for round in 0..DENIALS_LIMIT / APPROVALS_LIMIT_A_RUN + 2 {
        let names: Vec<_> =
            (0..APPROVALS_LIMIT_A_RUN).map(|number| format!("{round}.{number}")).collect();
        let ids: Vec<_> = names.iter().map(|name| pending(ask(&approvals, name, 0))).collect();
        assert_eq!(ask(&approvals, "more", 0), Answer::Full);
        for id in &ids {
            assert_eq!(decide(&approvals, id, Decision::Deny, 1), Ok(ApprovalStatus::Denied));
        }
        let last = ask(&approvals, &names[0], 1);
        assert!(matches!(last, Answer::Denied { .. }), "a denial holds: {last:?}");
    }
    let denied = approvals.list().iter().filter(|r| r.status == ApprovalStatus::Denied).count();
    assert_eq!(denied, DENIALS_LIMIT);
    let expired = approvals.list().iter().filter(|r| r.status == ApprovalStatus::Expired).count();
    assert!(expired > 0);
    assert!(matches!(ask(&approvals, "more", 1), Answer::Pending { .. }));
}

#[test]
fn what_was_never_sent_gives_its_approval_back() {
    let approvals = Approvals::default();
    let id = pending(ask(&approvals, "{}", 0));
    assert!(decide(&approvals, &id, Decision::Approve, 0).is_ok());
    assert_eq!(ask(&approvals, "{}", 1), Answer::Passes(id.clone()));
    let other = pending(ask(&approvals, "{}", 1));
    let what: Vec<_> = approvals.give_back(&id, at(2)).iter().map(|c| c.what).collect();
    assert_eq!(what, ["superseded", "returned"], "the request made in between is void");
    assert_eq!(approvals.get(&other).unwrap().status, ApprovalStatus::Superseded);
    assert_eq!(ask(&approvals, "{}", 3), Answer::Passes(id.clone()));

    let other = pending(ask(&approvals, "{}", 4));
    assert!(decide(&approvals, &other, Decision::Approve, 4).is_ok());
    assert!(approvals.give_back(&id, at(5)).is_empty(), "there is another one by now");
    assert_eq!(ask(&approvals, "{}", 5), Answer::Passes(other));
}

#[test]
fn their_number_is_bounded_and_contents_go_when_they_are_over() {
    let approvals = Approvals::default();
    for number in 0..APPROVALS_LIMIT_A_RUN {
        pending(ask(&approvals, &number.to_string(), 0));
    }
    assert_eq!(ask(&approvals, "more", 0), Answer::Full);
    assert!(matches!(ask(&approvals, "0", 0), Answer::Pending { .. }), "those in it are met");
    for number in APPROVALS_LIMIT_A_RUN..APPROVALS_LIMIT {
        let run = number.to_string();
        pending(approvals.ask(wanted("{}", &run, "v1", &["p/a"]), at(0)).0);
    }
    let more = || approvals.ask(wanted("{}", "one-more", "v1", &["p/a"]), at(0)).0;
    assert_eq!(more(), Answer::Full);
    let late = approvals.ask(wanted("{}", "one-more", "v1", &["p/a"]), at(3_600)).0;
    assert!(matches!(late, Answer::Pending { .. }), "what has expired makes room");
    let over = approvals.list();
    assert!(
        over.iter()
            .filter(|r| r.status == ApprovalStatus::Expired)
            .all(|r| r.subject.body.is_none())
    );
    for round in 0..OVER_LIMIT + 50 {
        let id = pending(approvals.ask(wanted("{}", &format!("x{round}"), "v1", &[]), at(4_000)).0);
        assert!(decide(&approvals, &id, Decision::Approve, 4_000).is_ok());
        let answer = approvals.ask(wanted("{}", &format!("x{round}"), "v1", &[]), at(4_000)).0;
        assert_eq!(answer, Answer::Passes(id));
    }
    assert!(approvals.list().len() <= OVER_LIMIT + 1 + APPROVALS_LIMIT);
    assert_eq!(approvals.list().len(), OVER_LIMIT + 1);
}

#[test]
fn a_thousand_at_once_pass_once() {
    let approvals = Arc::new(Approvals::default());
    for round in 0..20 {
        let body = round.to_string();
        let id = pending(ask(&approvals, &body, 0));
        assert!(decide(&approvals, &id, Decision::Approve, 0).is_ok());
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let pass =
                            |_: &usize| matches!(ask(&approvals, &body, 1), Answer::Passes(_));
                        (0..125).filter(pass).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1);
    }
}
