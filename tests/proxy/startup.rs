//! A gate that cannot do its work does not begin it.

use serde_json::json;

use crate::harness::{Setup, Tool, get, post};

#[tokio::test]
async fn a_bad_config_is_refused_with_all_its_faults() {
    let tool = Tool::start().await;
    let (code, said) = Setup::before(&tool)
        .upstream("timeuot: 5s")
        .top("on_error: allow")
        .bounds("{ body: 1parsec }")
        .refused()
        .await;
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.matches("error[").count(), 3, "{said}");
    for (fault, place) in [("timeuot", ":12:5"), ("allow", ":8:11"), ("1parsec", ":7:17")] {
        assert!(said.contains(fault), "{fault}: {said}");
        assert!(said.contains(&format!("toolgate.yaml{place}")), "{place}: {said}");
    }
    assert!(
        said.contains("did you mean `timeout`?") || said.contains("did you mean `timeouts`?"),
        "{said}"
    );
    assert!(said.contains("not started"), "{said}");
}

#[tokio::test]
async fn a_bad_policy_is_refused() {
    let tool = Tool::start().await;
    let (code, said) = Setup::before(&tool)
        .policy("rules: [{ id: good, tools: [svc.refund], then: warn, message: Careful. }]")
        .policy("rules: [{ id: bad, tools: [svc.refund], when: args.amount >, then: deny, message: No. }]")
        .refused()
        .await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("policy1.yaml:5:"), "{said}");
    assert!(!said.contains("serving"), "{said}");
}

#[tokio::test]
async fn a_policy_over_tools_that_do_not_exist_is_refused() {
    let tool = Tool::start().await;
    let (code, said) = Setup::before(&tool)
        .policy("rules: [{ id: bad, tools: [crm.refund], then: deny, message: No. }]")
        .refused()
        .await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("crm.refund"), "{said}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused() {
    let tool = Tool::start().await;
    let taken = Tool::start().await;
    let (code, said) = Setup::before(&tool).listen(&taken.address.to_string()).refused().await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("cannot listen on {}", taken.address)), "{said}");
}

#[tokio::test]
async fn a_gate_without_policies_says_so_and_passes_everything() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    assert!(gate.stderr().contains("every call passes"), "{}", gate.stderr());
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200);
    assert_eq!(gate.send(post("/svc/refunds", &json!({ "amount": 1e9 }))).await.status, 200);
    assert_eq!(tool.count(), 2);
}
