//! Every rule, with a file in which it holds and one in which it is broken.

use std::collections::BTreeSet;

use rstest::rstest;
use stackproof::scenario::validate::unknown_services;

use super::written::{COMPOSE, HEAD, folder, loaded, problems};

const CLAIM: &str = "  - id: a\n    text: t\n    severity: low\n    source: s\n";

/// The codes of what is said of a scenario, once each.
fn codes(text: &str) -> Vec<String> {
    let problems = problems(&[("x.yaml", text), COMPOSE]);
    let codes: BTreeSet<_> =
        problems.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    codes.into_iter().collect()
}

fn assert_told(good: &str, bad: &str, code: &str) {
    assert_eq!(codes(good), [""; 0], "{good}");
    assert_eq!(codes(bad), [code], "{bad}");
}

#[rstest]
#[case::names_are_kebab_case("x-1-yz", "x_1", "not-kebab-case")]
#[case::names_begin_with_a_letter("x1", "1x", "not-kebab-case")]
#[case::names_have_single_hyphens("x-y", "x--y", "not-kebab-case")]
#[case::names_do_not_end_in_hyphens("x-y", "x-", "not-kebab-case")]
#[case::names_are_not_empty("x", "''", "not-kebab-case")]
#[case::names_are_ascii("cafe", "café", "not-kebab-case")]
#[case::names_are_texts("x", "1", "wrong-type")]
fn names(#[case] good: &str, #[case] bad: &str, #[case] code: &str) {
    let text = |name: &str| {
        format!("name: {name}\ncompose: [compose.yaml]\nclaims:\n{CLAIM}    pending: p\n")
    };
    assert_told(&text(good), &text(bad), code);
}

#[rstest]
#[case::a_compose_file_is_named("compose: [compose.yaml]", "compose: []", "empty-list")]
#[case::compose_files_exist("compose: [compose.yaml]", "compose: [no.yaml]", "missing-file")]
#[case::compose_is_stated("compose: [compose.yaml]", "", "missing-key")]
#[case::compose_is_spelt_right("compose: [compose.yaml]", "compse: [compose.yaml]", "unknown-key")]
#[case::compose_has_a_value("compose: [compose.yaml]", "compose:", "missing-key")]
#[case::commands_have_a_program(
    "compose: [compose.yaml]\nprepare: [[a, '']]",
    "compose: [compose.yaml]\nprepare: [['']]",
    "empty-text"
)]
#[case::commands_are_not_empty(
    "compose: [compose.yaml]\nprepare: []",
    "compose: [compose.yaml]\nprepare: [[]]",
    "empty-text"
)]
#[case::times_have_units(
    "compose: [compose.yaml]\nbuild_within: 5m",
    "compose: [compose.yaml]\nbuild_within: 5h",
    "wrong-value"
)]
#[case::without_needs_extends(
    "compose: [compose.yaml]\nwithout: []",
    "compose: [compose.yaml]\nwithout: [a]",
    "unknown-claim"
)]
fn heads(#[case] good: &str, #[case] bad: &str, #[case] code: &str) {
    let text = |head: &str| format!("name: x\n{head}\nclaims:\n{CLAIM}    pending: p\n");
    assert_told(&text(good), &text(bad), code);
}

#[rstest]
#[case::claims_are_made(
    "  - {id: a, text: t, severity: low, source: s, pending: p}",
    "  []",
    "empty-list"
)]
#[case::ids_are_kebab_case(
    "  - {id: a-b, text: t, severity: low, source: s, pending: p}",
    "  - {id: a.b, text: t, severity: low, source: s, pending: p}",
    "not-kebab-case"
)]
#[case::ids_are_unique(
    "  - {id: a, text: t, severity: low, source: s, pending: p}\n  - {id: b, text: t, severity: low, source: s, pending: p}",
    "  - {id: a, text: t, severity: low, source: s, pending: p}\n  - {id: a, text: t, severity: low, source: s, pending: p}",
    "duplicate-id"
)]
#[case::aliases_repeat_ids_too(
    "  - {id: a, text: t, severity: low, source: s, pending: p}",
    "  - &a {id: a, text: t, severity: low, source: s, pending: p}\n  - *a",
    "duplicate-id"
)]
#[case::merges_help(
    "  - &a {id: a, text: t, severity: low, source: s, pending: p}\n  - {<<: *a, id: b}",
    "  - &a {id: a, text: t, severity: low, source: s, pending: p}\n  - {<<: *a}",
    "duplicate-id"
)]
#[case::severities_are_known(
    "  - {id: a, text: t, severity: critical, source: s, pending: p}",
    "  - {id: a, text: t, severity: severe, source: s, pending: p}",
    "unknown-value"
)]
#[case::texts_say_something(
    "  - {id: a, text: t, severity: low, source: s, pending: p}",
    "  - {id: a, text: ' ', severity: low, source: s, pending: p}",
    "empty-text"
)]
#[case::sources_say_something(
    "  - {id: a, text: t, severity: low, source: s, pending: p}",
    "  - {id: a, text: t, severity: low, source: '', pending: p}",
    "empty-text"
)]
#[case::pending_says_why(
    "  - {id: a, text: t, severity: low, source: s, pending: p}",
    "  - {id: a, text: t, severity: low, source: s, pending: ''}",
    "empty-text"
)]
fn claims(#[case] good: &str, #[case] bad: &str, #[case] code: &str) {
    let text = |claims: &str| format!("{HEAD}{claims}\n");
    assert_told(&text(good), &text(bad), code);
}

#[rstest]
#[case::checks_or_pending("pending: p", "", "no-checks")]
#[case::pending_has_a_value("pending: p", "pending:", "no-checks")]
#[case::not_an_empty_list("checks: [seccomp: {services: [web]}]", "checks: []", "no-checks")]
#[case::not_both(
    "checks: [seccomp: {services: [web]}]",
    "checks: [seccomp: {services: [web]}]\n    pending: p",
    "checks-and-pending"
)]
#[case::an_unreadable_check_is_a_check(
    "checks: [seccomp: {services: [web]}]",
    "checks: [secomp: {services: [web]}]",
    "unknown-value"
)]
#[case::waivers_end_on_a_day(
    "pending: p\n    waived: {until: 2026-12-31, reason: r}",
    "pending: p\n    waived: {until: 2026-02-30, reason: r}",
    "wrong-date"
)]
#[case::waivers_may_have_ended(
    "pending: p\n    waived: {until: 2001-01-01, reason: r}",
    "pending: p\n    waived: {until: never, reason: r}",
    "wrong-date"
)]
#[case::days_have_one_form(
    "pending: p\n    waived: {until: 2026-12-01, reason: r}",
    "pending: p\n    waived: {until: 2026-12-1, reason: r}",
    "wrong-date"
)]
#[case::days_are_not_times(
    "pending: p\n    waived: {until: 2026-12-01, reason: r}",
    "pending: p\n    waived: {until: 2026-12-01T00:00, reason: r}",
    "wrong-date"
)]
#[case::waivers_have_a_reason(
    "pending: p\n    waived: {until: 2026-12-31, reason: r}",
    "pending: p\n    waived: {until: 2026-12-31, reason: ''}",
    "empty-text"
)]
#[case::patterns_compile(
    "pending: p\n    documented: {command: c, expected: e, satisfied_when: {output-matches: 'a+'}}",
    "pending: p\n    documented: {command: c, expected: e, satisfied_when: {output-matches: '+a'}}",
    "wrong-pattern"
)]
#[case::one_condition(
    "pending: p\n    documented: {command: c, expected: e, satisfied_when: exits-zero}",
    "pending: p\n    documented: {command: c, expected: e, satisfied_when: {output-is: a, output-contains: b}}",
    "wrong-type"
)]
fn claim_parts(#[case] good: &str, #[case] bad: &str, #[case] code: &str) {
    let text = |part: &str| format!("{HEAD}{CLAIM}    {part}\n");
    assert_told(&text(good), &text(bad), code);
}

#[rstest]
#[case::services_are_named("seccomp: {services: [web]}", "seccomp: {services: []}", "empty-list")]
#[case::services_are_a_list(
    "seccomp: {services: [\"*\"]}",
    "seccomp: {services: \"*\"}",
    "wrong-type"
)]
#[case::an_unreadable_service_is_a_service(
    "seccomp: {services: [web]}",
    "seccomp: {services: [1]}",
    "wrong-type"
)]
#[case::services_exist(
    "seccomp: {services: [web]}",
    "seccomp: {services: [wbe]}",
    "unknown-service"
)]
#[case::excepted_services_exist(
    "seccomp: {services: ['*'], except: [web]}",
    "seccomp: {services: ['*'], except: [wbe]}",
    "unknown-service"
)]
#[case::mediating_services_exist(
    "docker-access-via: {services: [web], via: proxy}",
    "docker-access-via: {services: [web], via: prxy}",
    "unknown-service"
)]
#[case::except_is_for_all(
    "seccomp: {services: ['*'], except: [web]}",
    "seccomp: {services: [db], except: [web]}",
    "except-without-all"
)]
#[case::capabilities_exist(
    "capabilities: {services: [web], allowed: [NET_RAW, CAP_BPF]}",
    "capabilities: {services: [web], allowed: [NET_RAWR]}",
    "unknown-capability"
)]
#[case::capabilities_are_upper_case(
    "capabilities: {services: [web], allowed: []}",
    "capabilities: {services: [web], allowed: [net_raw]}",
    "unknown-capability"
)]
#[case::all_is_no_capability(
    "capabilities: {services: [web]}",
    "capabilities: {services: [web], allowed: [ALL]}",
    "unknown-capability"
)]
#[case::namespaces_exist(
    "namespaces: {services: [web], own: [pid, net, ipc, uts, mnt]}",
    "namespaces: {services: [web], own: [user]}",
    "unknown-namespace"
)]
#[case::cpus_are_positive(
    "cpu-limit: {services: [web], cpus: 0.5}",
    "cpu-limit: {services: [web], cpus: -0.5}",
    "wrong-limit"
)]
#[case::cpus_are_a_number(
    "cpu-limit: {services: [web], cpus: 2}",
    "cpu-limit: {services: [web], cpus: .nan}",
    "wrong-limit"
)]
#[case::cpus_are_finite(
    "cpu-limit: {services: [web]}",
    "cpu-limit: {services: [web], cpus: .inf}",
    "wrong-limit"
)]
#[case::no_memory_is_no_limit(
    "memory-limit: {services: [web], limit: 1B}",
    "memory-limit: {services: [web], limit: 0B}",
    "wrong-limit"
)]
#[case::no_processes_are_no_limit(
    "pids-limit: {services: [web], limit: 1}",
    "pids-limit: {services: [web], limit: 0}",
    "wrong-limit"
)]
#[case::tolerances_are_parts(
    "cpu-limit-enforced: {services: [web], tolerance: 0.99}",
    "cpu-limit-enforced: {services: [web], tolerance: 1}",
    "wrong-limit"
)]
#[case::computing_takes_at_least_a_second(
    "cpu-limit-enforced: {services: [web], duration: 1s}",
    "cpu-limit-enforced: {services: [web], duration: 999ms}",
    "wrong-limit"
)]
#[case::neighbours_are_asked_in_one_way(
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1, path: /}]}",
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1}]}",
    "wrong-limit"
)]
#[case::paths_begin_with_a_slash(
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1, path: /x}]}",
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1, path: x}]}",
    "wrong-limit"
)]
#[case::ports_are_not_zero(
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1, send: x}]}",
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 0, send: x}]}",
    "wrong-limit"
)]
#[case::nobody_is_a_neighbour_of_oneself(
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1, path: /}]}",
    "oom-blast-radius: {services: [web], watch: [{service: web, port: 1, path: /}]}",
    "wrong-limit"
)]
#[case::neighbours_exist(
    "oom-blast-radius: {services: [web], watch: [{service: db, port: 1, path: /}]}",
    "oom-blast-radius: {services: [web], watch: [{service: dbb, port: 1, path: /}]}",
    "unknown-service"
)]
#[case::budgets_are_no_less_than_before(
    "oom-blast-radius: {services: [web], latency_budget: {ratio: 1}}",
    "oom-blast-radius: {services: [web], latency_budget: {ratio: 0.9}}",
    "wrong-limit"
)]
#[case::sizes_are_stated(
    "image-size: {services: [web], max: 1GB}",
    "image-size: {services: [web]}",
    "wrong-limit"
)]
#[case::sizes_are_in_order(
    "image-size: {services: [web], min: 1GB, max: 1GB}",
    "image-size: {services: [web], min: 1GiB, max: 1GB}",
    "wrong-limit"
)]
#[case::baselines_exist(
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 0}}",
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: dbb, smaller_by_at_least: 0}}",
    "unknown-service"
)]
#[case::baseline_files_exist(
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 100}}",
    "image-size: {services: [web], baseline: {compose: no.yaml, service: db, smaller_by_at_least: 100}}",
    "missing-file"
)]
#[case::percents_are_at_most_100(
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 99.5}}",
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 100.5}}",
    "wrong-limit"
)]
#[case::percents_are_not_negative(
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 0}}",
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: -1}}",
    "wrong-limit"
)]
#[case::percents_are_numbers(
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 1}}",
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: .nan}}",
    "wrong-limit"
)]
#[case::percents_are_in_order(
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 1, smaller_by_at_most: 1}}",
    "image-size: {services: [web], baseline: {compose: compose.yaml, service: db, smaller_by_at_least: 2, smaller_by_at_most: 1}}",
    "wrong-limit"
)]
#[case::a_path_begins_with_a_slash(
    "load: {services: [web], port: 80, path: /}",
    "load: {services: [web], port: 80, path: health}",
    "wrong-limit"
)]
#[case::a_path_holds_no_space(
    "load: {services: [web], port: 80, path: /a?b=c}",
    "load: {services: [web], port: 80, path: \"/a b\"}",
    "wrong-limit"
)]
#[case::a_rate_is_positive(
    "load: {services: [web], port: 80, path: /, rate: 2000}",
    "load: {services: [web], port: 80, path: /, rate: 0}",
    "wrong-limit"
)]
#[case::a_rate_is_a_number(
    "load: {services: [web], port: 80, path: /, rate: 100}",
    "load: {services: [web], port: 80, path: /, rate: .nan}",
    "wrong-limit"
)]
#[case::a_rate_is_bounded(
    "load: {services: [web], port: 80, path: /, rate: 2000}",
    "load: {services: [web], port: 80, path: /, rate: 2001}",
    "wrong-limit"
)]
#[case::a_load_ends(
    "load: {services: [web], port: 80, path: /, duration: 10m}",
    "load: {services: [web], port: 80, path: /, duration: 11m}",
    "wrong-limit"
)]
#[case::a_load_is_more_than_a_few_requests(
    "load: {services: [web], port: 80, path: /, rate: 100, duration: 1s}",
    "load: {services: [web], port: 80, path: /, rate: 99, duration: 1s}",
    "wrong-limit"
)]
#[case::a_load_has_connections(
    "load: {services: [web], port: 80, path: /, connections: 1}",
    "load: {services: [web], port: 80, path: /, connections: 0}",
    "wrong-limit"
)]
#[case::connections_are_bounded(
    "load: {services: [web], port: 80, path: /, connections: 1000}",
    "load: {services: [web], port: 80, path: /, connections: 1001}",
    "wrong-limit"
)]
#[case::not_all_may_fail(
    "load: {services: [web], port: 80, path: /, max_errors: 0.99}",
    "load: {services: [web], port: 80, path: /, max_errors: 1}",
    "wrong-limit"
)]
#[case::shapes_are_known(
    "load: {services: [web], port: 80, path: /, shape: documented}",
    "load: {services: [web], port: 80, path: /, shape: endless}",
    "unknown-value"
)]
#[case::watched_neighbours_exist(
    "load: {services: [web], port: 80, path: /, watch: [{service: db, port: 1, path: /}]}",
    "load: {services: [web], port: 80, path: /, watch: [{service: dbb, port: 1, path: /}]}",
    "unknown-service"
)]
#[case::watched_neighbours_are_asked(
    "load: {services: [web], port: 80, path: /, watch: [{service: db, port: 1, path: /}]}",
    "load: {services: [web], port: 80, path: /, watch: [{service: db, port: 1, path: /}], neighbours: false}",
    "wrong-limit"
)]
#[case::a_budget_is_a_number(
    "load: {services: [web], port: 80, path: /, latency_budget: {ratio: 1}}",
    "load: {services: [web], port: 80, path: /, latency_budget: {ratio: .nan}}",
    "wrong-limit"
)]
#[case::users_need_no_name(
    "runs-as: {services: [web]}",
    "runs-as: {services: [web], user: 1000}",
    "wrong-type"
)]
#[case::ports_are_ports(
    "no-docker-access: {services: [web], ports: [65535]}",
    "no-docker-access: {services: [web], ports: [65536]}",
    "wrong-type"
)]
#[case::once_in_a_list(
    "seccomp: {services: [web, db]}",
    "seccomp: {services: [web, web]}",
    "duplicate-check"
)]
#[case::once_in_a_claim(
    "seccomp: {services: [web]}\n      - apparmor: {services: [web]}",
    "seccomp: {services: [web]}\n      - seccomp: {services: [db, web]}",
    "duplicate-check"
)]
#[case::all_covers_every_one(
    "seccomp: {services: ['*'], except: [web]}\n      - seccomp: {services: [web]}",
    "seccomp: {services: ['*']}\n      - seccomp: {services: [web]}",
    "duplicate-check"
)]
#[case::all_covers_those_before(
    "seccomp: {services: [web]}\n      - seccomp: {services: ['*'], except: [web]}",
    "seccomp: {services: [web]}\n      - seccomp: {services: ['*'], except: [db]}",
    "duplicate-check"
)]
#[case::all_beside_one(
    "seccomp: {services: ['*']}",
    "seccomp: {services: ['*', web]}",
    "duplicate-check"
)]
#[case::all_once(
    "seccomp: {services: ['*']}",
    "seccomp: {services: ['*']}\n      - seccomp: {services: ['*']}",
    "duplicate-check"
)]
#[case::one_check_per_entry(
    "seccomp: {services: [web]}",
    "seccomp: {services: [web]}\n        apparmor: {services: [web]}",
    "wrong-type"
)]
fn checks(#[case] good: &str, #[case] bad: &str, #[case] code: &str) {
    let text = |check: &str| format!("{HEAD}{CLAIM}    checks:\n      - {check}\n");
    assert_told(&text(good), &text(bad), code);
}

#[test]
fn services_are_compared_with_the_resolved_model_too() {
    let text = format!(
        "{HEAD}{CLAIM}    checks:\n      - seccomp: {{services: ['*'], except: [db]}}\n      - docker-access-via: {{services: [web], via: proxy}}\n"
    );
    let folder = folder(&[("x.yaml", &text), COMPOSE]);
    let loaded = loaded(folder.path(), "x.yaml").unwrap();
    let known = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    assert_eq!(unknown_services(&loaded.scenario, &known(&["web", "db", "proxy"])), []);
    let unknown = unknown_services(&loaded.scenario, &known(&["webs"]));
    let lines: Vec<_> = unknown.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(lines, ["unknown service `db`", "unknown service `web`", "unknown service `proxy`"]);
    assert_eq!(unknown[1].hint.as_deref(), Some("did you mean `webs`?"));
    let position = loaded.sources.position(unknown[1].span.unwrap()).unwrap();
    assert_eq!((position.line, position.column), (10, 40));
}

#[test]
fn waivers_know_their_last_day() {
    let text =
        format!("{HEAD}{CLAIM}    pending: p\n    waived: {{until: 2026-12-31, reason: r}}\n");
    let folder = folder(&[("x.yaml", &text), COMPOSE]);
    let loaded = loaded(folder.path(), "x.yaml").unwrap();
    let waiver = loaded.scenario.claims[0].waived.as_ref().unwrap();
    assert_eq!(waiver.last_day(), Some(jiff::civil::date(2026, 12, 31)));
}
