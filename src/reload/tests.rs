//! Reloads of a gate in this process.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::ledger::{Bounds, Ledger, RunEnds};
use crate::record::{Destination, Recorder};

struct World {
    folder: TempDir,
    gate: Arc<Gate>,
    reloader: Reloader,
}

const CONFIG: &str = "apiVersion: toolgate/v1\nkind: Config\npolicies: [./policies]\n\
    bounds: { head: 16KiB, body: 1MiB }\nupstreams:\n  svc:\n    http: http://127.0.0.1:9\n    \
    tools: [{ name: get, match: GET /items }]\n  other:\n    http: http://127.0.0.1:9\n    \
    auth: { bearer: \"${file:./token}\" }\n    tools: [{ name: get, match: GET /items }]\n";

fn policy(message: &str) -> String {
    format!(
        "apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: p }}\nmode: enforce\n\
         rules: [{{ id: r, tools: [svc.get], then: deny, message: {message} }}]\n"
    )
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("toolgate.yaml"), CONFIG).unwrap();
        fs::write(folder.path().join("token"), "one").unwrap();
        fs::write(folder.path().join("admin-token"), "a token of the admin side").unwrap();
        fs::write(folder.path().join("policies/p.yaml"), policy("One.")).unwrap();
        let reads = Reads::default();
        let path = folder.path().join("toolgate.yaml");
        let candidate = Candidate::read(&path, &reads).unwrap();
        let fixed = candidate.fixed().to_vec();
        let Candidate { settings, policies, .. } = candidate;
        let clock = Clock::Manual(ManualClock::new(0));
        let events = Destination::File(folder.path().join("events.jsonl"));
        let recorder = Recorder::start(clock.clone(), &events).unwrap();
        let ends: Arc<dyn RunEnds> = Arc::<Recorder>::clone(&recorder);
        let bounds = Bounds { live_runs: 10, idle_end: settings.runs.idle_end };
        let ledger = Ledger::new(clock.clone(), bounds, ends);
        let snapshot = Arc::new(Snapshot::build(&settings, policies, None).unwrap());
        let gate = Arc::new(Gate::new(clock, ledger, recorder, snapshot));
        let seen = reads.footprint();
        let reloader = Reloader::new(Arc::clone(&gate), path, fixed, settings.reload, seen);
        Self { folder, gate, reloader }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self, from: &str, to: &str) {
        assert!(CONFIG.contains(from), "{from}");
        fs::write(self.at("toolgate.yaml"), CONFIG.replace(from, to)).unwrap();
    }

    fn version(&self) -> Arc<str> {
        Arc::clone(&self.gate.snapshot().policies.version)
    }

    fn refused(&mut self) -> String {
        match self.reloader.attempt(Cause::Notice) {
            Outcome::Refused { faults, .. } => {
                faults.iter().map(|fault| fault.render(false)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn replaced(&mut self) {
        let outcome = self.reloader.attempt(Cause::Notice);
        assert!(matches!(outcome, Outcome::Replaced { .. }), "{outcome:?}");
    }

    fn upstreams(&self) -> [*const crate::forward::Upstream; 2] {
        let snapshot = self.gate.snapshot();
        ["svc", "other"].map(|name| std::ptr::from_ref(snapshot.upstream(name).unwrap()))
    }

    fn reloads(&self) -> String {
        let held = crate::record::Held::default();
        let text = self.gate.recorder.render_metrics(&held, false);
        let lines = text.lines().filter_map(|line| {
            line.strip_prefix("toolgate_policy_reloads_total{result=").map(str::to_owned)
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines.join(" ")
    }
}

#[test]
fn a_touch_is_no_reload_and_a_poll_that_finds_nothing_is_not_counted() {
    let mut world = World::new();
    fs::write(world.at("policies/p.yaml"), policy("One.")).unwrap();
    fs::write(world.at("policies/notes.txt"), "no policy").unwrap();
    for cause in [Cause::Notice, Cause::Signal, Cause::Poll] {
        let outcome = world.reloader.attempt(cause);
        assert!(matches!(outcome, Outcome::Unchanged), "{outcome:?}");
    }
    assert_eq!(world.reloads(), r#""invalid"} 0 "ok"} 0 "unchanged"} 2"#);
}

#[test]
fn new_policies_take_the_place_of_the_old_and_faults_do_not() {
    let mut world = World::new();
    let first = world.version();
    fs::write(world.at("policies/p.yaml"), policy("Two.")).unwrap();
    world.replaced();
    let second = world.version();
    assert_ne!(first, second);
    fs::write(world.at("policies/q.yaml"), "apiVersion: toolgate/v1\nkind: Policy\nruels: []\n")
        .unwrap();
    let said = world.refused();
    assert!(said.contains("ruels") && said.contains("did you mean `rules`?"), "{said}");
    assert!(said.contains(&format!("the policy set {second} stays active")), "{said}");
    assert_eq!(world.version(), second);
    // Nothing is said twice of the same files, unless somebody asks.
    assert!(matches!(world.reloader.attempt(Cause::Poll), Outcome::Unchanged));
    assert!(matches!(world.reloader.attempt(Cause::Signal), Outcome::Refused { .. }));
    fs::remove_file(world.at("policies/q.yaml")).unwrap();
    fs::write(world.at("policies/p.yaml"), policy("One.")).unwrap();
    world.replaced();
    assert_eq!(world.version(), first);
    assert_eq!(world.reloads(), r#""invalid"} 2 "ok"} 2 "unchanged"} 0"#);
    assert!(world.gate.recorder.flush(Duration::from_secs(10)));
    let events = fs::read_to_string(world.at("events.jsonl")).unwrap();
    let details: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| format!("{} {} {}", event["kind"], event["status"], event["detail"]))
        .collect();
    let refused = format!(r#""reload" "error" "2 faults, {second} stays""#);
    let ok = |from, to| format!(r#""reload" "ok" "from {from} to {to}""#);
    let expected = [ok(&first, &second), refused.clone(), refused, ok(&second, &first)];
    assert_eq!(details, expected);
}

#[test]
fn what_cannot_change_is_refused_by_name_and_nothing_of_the_rest_is_taken() {
    for (key, from, to) in [
        ("bounds.head", "head: 16KiB", "head: 32KiB"),
        ("listen", "policies: [", "listen: 127.0.0.1:4199\npolicies: ["),
        ("admin", "policies: [", "admin: 127.0.0.1:4199\npolicies: ["),
        ("record.events", "policies: [", "record: { events: ./e.jsonl }\npolicies: ["),
        ("runs.idle_end", "policies: [", "runs: { idle_end: 1m }\npolicies: ["),
        ("bounds.live_runs", "body: 1MiB", "live_runs: 5"),
        ("bounds.drain", "body: 1MiB", "drain: 1s"),
        ("admin_hosts", "policies: [", "admin_hosts: [gate.internal]\npolicies: ["),
        ("state", "policies: [", "state: ./elsewhere\npolicies: ["),
        (
            "admin_tokens",
            "policies: [",
            "admin_tokens: { write: \"${file:./admin-token}\" }\npolicies: [",
        ),
    ] {
        let mut world = World::new();
        let before = world.version();
        world.config(from, to);
        fs::write(world.at("policies/p.yaml"), policy("Two.")).unwrap();
        let said = world.refused();
        assert!(said.contains(&format!("`{key}` cannot change while the gate runs")), "{said}");
        assert!(said.contains("toolgate.yaml:"), "{said}");
        assert_eq!(said.matches("error[").count(), 1, "{said}");
        assert_eq!(world.version(), before, "{key}");
        fs::write(world.at("toolgate.yaml"), CONFIG).unwrap();
        world.replaced();
        assert_ne!(world.version(), before, "the rest holds when {key} is as it was");
    }
}

#[test]
fn what_may_change_does() {
    let mut world = World::new();
    world.config("body: 1MiB", "body: 2KiB");
    world.replaced();
    assert_eq!(world.gate.snapshot().terms.body_limit_bytes, 2_048);
    world.config("policies: [", "reload: { watch: false, poll: 1s }\npolicies: [");
    world.replaced();
    assert_eq!(world.reloader.reload.poll, Duration::from_secs(1));
    assert!(!world.reloader.reload.watch);
}

#[test]
fn upstreams_that_stay_the_same_keep_their_connections() {
    let mut world = World::new();
    let [svc, other] = world.upstreams();
    fs::write(world.at("policies/p.yaml"), policy("Two.")).unwrap();
    world.replaced();
    assert_eq!(world.upstreams(), [svc, other]);
    // The old snapshot lives on, so that no new upstream can stand where an old one stood.
    let held = world.gate.snapshot();
    fs::write(world.at("token"), "two").unwrap();
    world.replaced();
    let [svc_now, other_now] = world.upstreams();
    assert_eq!(svc_now, svc);
    assert_ne!(other_now, other, "it has another credential");
    drop(held);
}

/// Readers that look all the time see one snapshot or the other, whole.
#[test]
fn no_reader_sees_half_of_a_swap() {
    let mut world = World::new();
    let gate = Arc::clone(&world.gate);
    let over = std::sync::atomic::AtomicBool::new(false);
    let of = |snapshot: &Snapshot| {
        let body = snapshot.terms.body_limit_bytes;
        (body, Arc::clone(&snapshot.policies.version))
    };
    let mut pairs = vec![of(&gate.snapshot())];
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                seen.insert(of(&gate.snapshot()));
            }
            seen
        });
        for turn in 1..=20 {
            world.config("body: 1MiB", &format!("body: {turn}KiB"));
            fs::write(world.at("policies/p.yaml"), policy(&format!("Turn {turn}."))).unwrap();
            world.replaced();
            pairs.push(of(&world.gate.snapshot()));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let seen = reader.join().unwrap();
        assert!(seen.iter().all(|pair| pairs.contains(pair)), "{seen:?}");
    });
}
