//! Broken configs and what is said of them; one that uses every key; secrets stay hidden.

use std::fs;
use std::path::{Path, PathBuf};

use std::time::Duration;

use secrecy::ExposeSecret;

use super::load::{load_with, load_without_secrets};
use super::mask::mask;
use super::settings::{Events, Operation};
use crate::policy::view::Effect;
use crate::yaml::Diagnostic;

/// Rendered faults of every config in `tests/goldens/config` equal the file beside it.
/// `UPDATE_GOLDENS=1` writes them.
#[test]
fn broken_configs_are_explained() {
    let folder = Path::new("tests/goldens/config");
    let mut configs: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    configs.sort();
    assert!(configs.len() >= 40, "{} goldens", configs.len());
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut differing = Vec::new();
    for config in configs {
        let rendered = explain(&config);
        let golden = config.with_extension("stderr");
        if update {
            fs::write(&golden, &rendered).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != rendered {
            differing.push(format!("{}\n{rendered}", config.display()));
        }
        assert!(!rendered.contains("canary"), "a secret is shown:\n{rendered}");
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn explain(config: &Path) -> String {
    let faults = match load_with(config, &environment) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => faults,
    };
    assert!(!faults.is_empty(), "{} is not broken", config.display());
    faults.iter().map(|fault| fault.render(false) + "\n").collect()
}

fn environment(name: &str) -> Option<String> {
    let value = match name {
        "TOKEN" => "sk-canary-token",
        "EMPTY" => "",
        "SHORT" => "canary",
        "TWO_LINES" => "canary\nline",
        "KEY" => "canary-key-of-sixteen-bytes",
        _ => return None,
    };
    Some(value.to_owned())
}

#[test]
fn the_documented_config_loads() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
apiVersion: toolgate/v1
kind: Config
listen: 127.0.0.1:4100
admin: 127.0.0.1:4101
policies: [./policies]
on_error: deny
upstreams:
  booking:
    http: https://booking.internal/v2/
    tags: [travel]
    tools:
    - { name: "{tool}", match: "POST /tools/{tool}", effect: read }
  crm:
    http: http://crm:8080
    tools:
    - { name: find, match: "GET /customers/{id}", tags: [pii, pii] }
    - { name: me, match: "GET /customers/me", ignore_args: [timestamp] }
    - { name: update, match: "PATCH /customers/{id}", effect: write }
    timeout: 5s
    timeouts: { connect: 250ms }
    auth: { header: X-Api-Key, value: "Key ${env:TOKEN}" }
runs: { idle_end: 10m, header: x-session-id }
record: { events: ./events.jsonl, bodies: none }
caller: { tenant: acme, agent: 7 }
digest: { key: "${file:./key}" }
bounds: { body: 2MiB, live_runs: 500, drain: 0s }
"#;
    fs::write(folder.path().join("toolgate.yaml"), text).unwrap();
    fs::write(folder.path().join("key"), "canary-key-of-sixteen-bytes\n").unwrap();
    for name in ["b.yaml", "a.yml", "a.test.yaml", ".hidden.yaml", "notes.md", "deep/c.yaml"] {
        let path = folder.path().join("policies").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let loaded = load_with(&folder.path().join("toolgate.yaml"), &environment).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let names: Vec<&str> = loaded.sources.iter().map(|source| source.text.as_str()).collect();
    assert_eq!(names, ["a.yml", "b.yaml", "deep/c.yaml"]);

    let settings = loaded.settings;
    assert!(!format!("{settings:?}").contains("canary"), "{settings:?}");
    let [booking, crm] = settings.upstreams.as_slice() else { panic!() };
    assert_eq!(booking.url().unwrap().to_string(), "https://booking.internal/v2");
    assert_eq!(crm.url().unwrap().to_string(), "http://crm:8080/");
    assert_eq!(booking.tools[0].operation, Operation::FromPath("tool".into()));
    assert_eq!(booking.tools[0].effect, Effect::Read);
    assert_eq!(booking.tools[0].tags[..], ["travel".into()]);
    let paths: Vec<&str> = crm.tools.iter().map(|tool| &*tool.path).collect();
    assert_eq!(paths, ["/customers/me", "/customers/{id}", "/customers/{id}"]);
    assert_eq!(crm.tools[0].ignore_args[..], ["timestamp".into()]);
    assert_eq!(crm.tools[1].tags[..], ["pii".into()]);
    assert_eq!((crm.tools[1].effect, crm.tools[2].effect), (Effect::Read, Effect::Write));
    assert_eq!(crm.timeouts.connect, Duration::from_millis(250));
    assert_eq!(crm.timeouts.response, Duration::from_secs(5));
    assert_eq!(crm.timeouts.idle, Duration::from_secs(30));
    let auth = crm.auth.as_ref().unwrap();
    assert_eq!(auth.header, "x-api-key");
    let value = auth.header_value().unwrap();
    assert!(value.is_sensitive() && value == "Key sk-canary-token");
    assert_eq!(settings.digest_key.unwrap().expose_secret(), "canary-key-of-sixteen-bytes");
    assert_eq!(settings.events, Events::File(folder.path().join("events.jsonl")));
    assert_eq!((&*settings.caller.tenant, &*settings.caller.agent), ("acme", "7"));
    assert_eq!(settings.bounds.body_limit_bytes, 2 * 1024 * 1024);
    assert_eq!(settings.bounds.head_limit_bytes, 16 * 1024);
    assert_eq!(settings.bounds.drain_time, Duration::ZERO);
}

#[test]
fn what_policies_may_name() {
    let config = "apiVersion: toolgate/v1\nkind: Config\nupstreams:\n  \
                  a: { http: \"http://a\", tags: [t], tools: [ { name: x.y, match: DELETE /x } ] }\n  \
                  b: { http: \"http://b\", tools: [ { name: \"{op}\", match: \"POST /{op}\" }, { name: z, match: GET /z } ] }\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.yaml"), config).unwrap();
    let loaded = load_with(&folder.path().join("c.yaml"), &environment).unwrap();
    let facts = loaded.settings.tool_facts();
    let shown: Vec<_> =
        facts.iter().map(|tool| (&*tool.name, tool.effect, tool.tags.len())).collect();
    assert_eq!(shown, [("a.x.y", Effect::Write, 1), ("b.z", Effect::Read, 0)]);
    assert_eq!(loaded.settings.open_servers(), ["b".into()]);
    assert_eq!(loaded.settings.listen, ([127, 0, 0, 1], 4100).into());
}

#[test]
fn one_name_for_a_tool_that_is_reached_in_several_ways() {
    let config = "apiVersion: toolgate/v1\nkind: Config\nupstreams:\n  \
                  payments: { http: \"http://a\", tags: [money], tools: [ { name: refund, match: POST /r, cost_usd: 0.01, ignore_args: [at] }, { name: get, match: GET /p } ] }\n  \
                  desk: { mcp: \"http://b/mcp\", tags: [desk, money], tools: [ { name: give_back, alias: payments.refund, effect: read, ignore_args: [nonce] }, { name: look, alias: payments.get, effect: read } ] }\n  \
                  other: { http: \"http://c\", tools: [ { name: x, match: GET /x, alias: away.tool } ] }\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("c.yaml"), config).unwrap();
    let loaded = load_with(&folder.path().join("c.yaml"), &environment).unwrap();
    let settings = loaded.settings;
    let facts = settings.tool_facts();
    let shown: Vec<_> =
        facts.iter().map(|tool| (&*tool.name, tool.effect, tool.tags.join(" "))).collect();
    let expected = [
        ("payments.refund", Effect::Write, "money desk".to_owned()),
        ("payments.get", Effect::Read, "money desk".to_owned()),
        ("away.tool", Effect::Read, String::new()),
    ];
    assert_eq!(shown, expected);
    let [payments, desk, _] = settings.upstreams.as_slice() else { panic!("three upstreams") };
    let give_back = &desk.named.tools[0];
    assert_eq!(&*give_back.operation, "give_back");
    let refund = payments.tools.iter().find(|tool| tool.effect == Effect::Write).unwrap();
    assert_eq!(give_back.facts(&desk.name), refund.facts(&payments.name, &"refund".into()));
    for tool in [&give_back.ignore_args, &refund.ignore_args] {
        assert_eq!(tool.join(" "), "at nonce");
    }
    // What a call costs stays with the way it goes.
    assert!(refund.plan.cost.max() > give_back.plan.cost.max());
}

#[test]
fn an_absent_config_says_how_to_get_one() {
    let faults = load_with(Path::new("absent/toolgate.yaml"), &environment).unwrap_err();
    let rendered = faults[0].render(false);
    assert!(rendered.contains("TG001"), "{rendered}");
    assert!(rendered.contains("`toolgate init` writes a first config"), "{rendered}");
}

#[test]
fn a_config_that_is_not_utf8_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    fs::write(&path, b"kind: \xff\n").unwrap();
    let faults = load_with(&path, &environment).unwrap_err();
    assert!(faults[0].message.contains("is not UTF-8"), "{faults:?}");
}

#[test]
fn colours_do_not_change_the_words() {
    let faults =
        load_with(Path::new("tests/goldens/config/on_error.yaml"), &environment).unwrap_err();
    let colored = faults[0].render(true);
    assert!(colored.contains("\u{1b}["));
    let mut plain = String::new();
    let mut escape = false;
    for c in colored.chars() {
        match c {
            '\u{1b}' => escape = true,
            'm' if escape => escape = false,
            _ if escape => {}
            c => plain.push(c),
        }
    }
    assert_eq!(plain, faults[0].render(false));
}

#[test]
fn secrets_in_wrong_places_are_masked() {
    for text in [
        "    auth: canary",
        "auth: { bearer: canary, x: 1 }",
        "auth: {bearer: 'canary with, comma'}",
        "  bearer: \"canary, {more\"",
        "  \"bearer\" : canary",
        "Password: canary # why",
        "digest: { key: canary }",
        "http: https://user:canary@host/path",
        "http: user:canary@host",
        "x: https://canary:canary@host?a=b",
    ] {
        let masked = mask(text, &[]);
        assert!(!masked.contains("canary"), "{masked}");
        assert_eq!(masked.len(), text.len());
    }
    let kept = "auth: { bearer: \"${env:TOKEN}\" }\nrecord: { events: stdout }\nhttp: http://crm:8080/a@b\n";
    assert_eq!(mask(kept, &[]), kept);
}

fn exporting(export: &str, environment: &dyn Fn(&str) -> Option<String>) -> super::Loaded {
    tried_exporting(export, environment).unwrap()
}

fn tried_exporting(
    export: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<super::Loaded, Vec<Diagnostic>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toolgate.yaml");
    let text = format!(
        "apiVersion: toolgate/v1\nkind: Config\nupstreams:\n  crm: {{ http: \"http://crm\", \
         tools: [ {{ name: get, match: GET /a }} ] }}\nexport: {export}\n"
    );
    fs::write(&path, text).unwrap();
    fs::write(folder.path().join("key"), "sk-canary-file\n").unwrap();
    load_with(&path, environment)
}

/// What the config may not set, the environment may not either; and nothing of it is shown.
#[test]
fn headers_of_the_environment_are_held_to_the_same_rules() {
    let said = |variable: &'static str, listed: &str| {
        let listed = listed.to_owned();
        let look_up = move |wanted: &str| (wanted == variable).then(|| listed.clone());
        let faults = tried_exporting("{ otlp: \"http://otel:4318\" }", &look_up).err();
        let rendered = faults.iter().flatten().map(|fault| fault.render(false));
        let rendered = rendered.collect::<String>();
        assert!(!rendered.contains("canary"), "{rendered}");
        let lines = rendered.lines().filter_map(|line| line.strip_prefix("error[TG112]: "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    const VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    for fine in ["", "x-key=canary", " a=1 , authorization=Bearer%20canary==,", "a=b,,c=d"] {
        assert_eq!(said(VARIABLE, fine), Vec::<String>::new(), "{fine}");
    }
    let refused = "sets a header that cannot be used here";
    for (member, fault) in [
        ("content-length=3canary", refused),
        ("Host=canary", refused),
        ("CONTENT-TYPE=canary", refused),
        ("grpc-timeout=canary", refused),
        ("toolgate-canary=1", refused),
        ("canary", "is not `name=value`"),
        ("can ary=canary", "does not begin with the name of a header"),
        ("=canary", "does not begin with the name of a header"),
        ("a=", "has no percent-encoded value"),
        ("a=canary%2", "has no percent-encoded value"),
        ("a=canary%zz", "has no percent-encoded value"),
        ("a=canary%0a", "has characters that cannot stand in a header"),
        ("a=canary%ff", "has characters that cannot stand in a header"),
    ] {
        let expected = [format!("member 2 of `{VARIABLE}` {fault}")];
        assert_eq!(said(VARIABLE, &format!("x=1,{member},y=2")), expected, "{member}");
    }
    let for_traces = said("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "te=canary");
    assert_eq!(for_traces, [format!("member 1 of `OTEL_EXPORTER_OTLP_TRACES_HEADERS` {refused}")]);
}

#[test]
fn where_spans_go() {
    let loaded = exporting("{ otlp: \"http://otel:4318\" }", &|_| None);
    let export = loaded.settings.export.unwrap();
    assert_eq!(export.collector.url, "http://otel:4318/v1/traces");
    assert_eq!(export.collector.timeout, Duration::from_secs(10));
    assert_eq!(export.collector.queue_limit_bytes, 4 << 20);
    assert_eq!((export.hold, export.held_limit_bytes), (Duration::from_secs(600), 8 << 20));
    assert_eq!(export.sample_percent, 10);
    assert_eq!(
        export.describe(),
        "spans go to http://otel:4318/v1/traces (http/protobuf); kept are runs that failed, were \
         refused something or stopped, outliers, and 10% of all others"
    );
    let text = "{ otlp: \"https://otel:4317/\", protocol: grpc, sample: 100%, headers: { x-set: a, \
                authorization: \"Bearer ${file:./key}\" }, service_name: shop }";
    let loaded = exporting(text, &|_| None);
    let export = loaded.settings.export.unwrap();
    assert_eq!(
        export.collector.url,
        "https://otel:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    );
    assert!(export.describe().starts_with("spans go to https://otel:4317 (grpc);"));
    assert!(!format!("{export:?} {:?}", loaded.fixed).contains("canary"), "{export:?}");
    let headers = export.collector.headers.iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(headers, [("x-set", &b"a"[..]), ("authorization", b"Bearer sk-canary-file")]);
    assert_eq!(export.collector.resource, [("service.name".into(), "shop".into())]);
}

/// The config goes first, then `OTEL_SERVICE_NAME`, then the list, and a list with a fault in it is
/// none.
#[test]
fn the_resource_of_spans_is_completed_from_the_environment() {
    let set = |list: &'static str, name: &'static str| {
        move |wanted: &str| match wanted {
            "OTEL_RESOURCE_ATTRIBUTES" => Some(list.to_owned()),
            "OTEL_SERVICE_NAME" => Some(name.to_owned()),
            _ => None,
        }
    };
    let resource = |export: &str, environment: &dyn Fn(&str) -> Option<String>| {
        let attributes = exporting(export, environment).settings.export.unwrap().collector.resource;
        let shown = attributes.iter().map(|(key, value)| format!("{key}={value}"));
        shown.collect::<Vec<_>>().join(" ")
    };
    let bare = "{ otlp: \"http://otel\" }";
    let list = "a=1, b=x%2Cy ,service.name=listed";
    assert_eq!(resource(bare, &set(list, "")), "a=1 b=x,y service.name=listed");
    assert_eq!(resource(bare, &set(list, "own")), "a=1 b=x,y service.name=own");
    let said = "{ otlp: \"http://otel\", resource: { a: 2 }, service_name: said }";
    assert_eq!(resource(said, &set(list, "own")), "a=2 b=x,y service.name=said");
    for broken in ["a=1,b", "a=%ff", "=1", "a="] {
        assert_eq!(resource(bare, &set(broken, "")), "service.name=toolgate", "{broken}");
    }
}

#[test]
fn drift_is_watched_unless_it_is_switched_off() {
    let loaded = |more: &str| {
        let text = format!(
            "apiVersion: toolgate/v1\nkind: Config\nupstreams: {{ svc: {{ http: \"http://a:1\", \
             tools: [ {{ name: get, match: GET /a }} ] }} }}\n{more}"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toolgate.yaml");
        fs::write(&path, text).unwrap();
        super::load(&path).unwrap()
    };
    let drift = |more| loaded(more).settings.drift;
    assert!(drift("") && drift("drift: {}\n") && drift("drift: { enabled: true }\n"));
    assert!(!drift("drift: { enabled: false }\n"));
    assert_ne!(loaded("").fixed, loaded("drift: { enabled: false }\n").fixed, "it is start-only");
}

/// Commands that ask a gate need no secret of its config, and make none up where none is named.
#[test]
fn a_config_is_read_without_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toolgate.yaml");
    let config = "apiVersion: toolgate/v1\nkind: Config\n\
        upstreams:\n  crm: { http: \"http://crm\", auth: { bearer: \"${env:NO_SUCH_TOKEN}\" }, \
        tools: [{ name: get, match: \"GET /c\" }] }\n\
        export: { otlp: \"http://otel:4318\", headers: { x-key: \"${env:NO_SUCH_KEY}\" } }\n";
    fs::write(&path, config).unwrap();
    let loaded = load_without_secrets(&path).unwrap();
    let resource = loaded.settings.export.unwrap().collector.resource;
    assert!(resource.iter().all(|(_, value)| !value.contains("not-needed")), "{resource:?}");
}
