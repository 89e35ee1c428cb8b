//! Values out of YAML, and every problem of them at once.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    name: Spanned<String>,
    kind: Kind,
    parts: Vec<Spanned<Part>>,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    factor: Option<f64>,
    #[serde(default)]
    sure: bool,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    commands: Vec<Vec<String>>,
    #[serde(default)]
    even: Option<Even>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Small,
    Large,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Part {
    Plain,
    Sized(Size),
    Named(Spanned<String>),
    Shaped { edges: u8 },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    width: u64,
    height: u64,
    unit: String,
}

/// A type that refuses some texts, in words of its own.
#[derive(Debug, PartialEq)]
struct Even(u64);

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Even, D::Error> {
        let number = u64::deserialize(deserializer)?;
        if number % 2 == 0 {
            Ok(Even(number))
        } else {
            Err(serde::de::Error::custom(format!("{number} is odd")))
        }
    }
}

fn value<T: DeserializeOwned>(text: &str) -> (Option<T>, Problems) {
    let mut problems = Problems::default();
    let node = parse(text, 0, &Dialect::PLAIN, &mut problems).expect("the text is YAML");
    (deserialize(&node, &mut problems), problems)
}

const HEAD: &str = "name: x\nkind: small\n";

#[test]
fn a_whole_value_is_read_with_its_places() {
    let text = "name: 'x y'\nkind: large\nparts:\n  - plain\n  - sized: {width: 1, height: 18446744073709551615, unit: m}\n  - named: z\n  - shaped: {edges: 3}\nport: 65535\nfactor: 2\nsure: true\nenv: {A: b, 8080: c}\ncommands: [[a, b], []]\neven: 4\n";
    let (whole, problems) = value::<Whole>(text);
    assert_eq!(lines(text, problems), [""; 0]);
    let whole = whole.unwrap();
    assert_eq!(whole.name.value, "x y");
    assert_eq!(&text[whole.name.span.start..whole.name.span.end], "'x y'");
    assert_eq!(whole.kind, Kind::Large);
    let parts: Vec<_> = whole.parts.iter().map(|part| &part.value).collect();
    let size = Size { width: 1, height: u64::MAX, unit: "m".to_owned() };
    let Part::Named(named) = parts[2] else { panic!("{parts:?}") };
    assert_eq!(&text[named.span.start..named.span.end], "z");
    assert_eq!(parts[..2], [&Part::Plain, &Part::Sized(size)]);
    assert_eq!(parts[3], &Part::Shaped { edges: 3 });
    assert_eq!((whole.port, whole.factor, whole.sure), (65535, Some(2.0), true));
    assert_eq!(whole.env["8080"], "c");
    assert_eq!(whole.commands, [vec!["a", "b"], vec![]]);
    assert_eq!(whole.even, Some(Even(4)));
}

#[rstest]
#[case::an_unknown_key("parts: []\nprot: 1", &["unknown-key x:4:1: unknown key `prot`"])]
#[case::an_unknown_key_further_in("parts: [sized: {width: 1, height: 2, unit: m, deep: 3}]", &["unknown-key x:3:47: unknown key `deep` in `sized`"])]
#[case::a_missing_key("", &["missing-key x:1:1: missing key `parts`"])]
#[case::several_missing_keys("parts: [sized: {}]", &["missing-key x:3:16: missing key `width` in `sized`", "missing-key x:3:16: missing key `height` in `sized`", "missing-key x:3:16: missing key `unit` in `sized`"])]
#[case::a_bad_value_is_not_missing("parts: [sized: {width: x, unit: m}]", &["missing-key x:3:16: missing key `height` in `sized`", "wrong-type x:3:24: `width` must be a whole number from 0 to 18446744073709551615, not the text `x`"])]
#[case::every_element("parts: [plain, plian, 5, {sized: {width: -1, height: 2, unit: m}}, {named: 6}]", &["unknown-value x:3:16: unknown entry `plian` in `parts`", "wrong-type x:3:23: an entry of `parts` must be one of plain, sized, named, shaped, not the number `5`", "wrong-type x:3:42: `width` must be a whole number from 0 to 18446744073709551615, not the number `-1`", "wrong-type x:3:76: `named` must be a text, not the number `6`"])]
#[case::a_number_too_large("parts: []\nport: 65536", &["wrong-type x:4:7: `port` must be a whole number from 0 to 65535, not the number `65536`"])]
#[case::a_word_for_a_boolean("parts: []\nsure: yes", &["wrong-type x:4:7: `sure` must be true or false, not the text `yes`"])]
#[case::a_text_for_a_list("parts: plain", &["wrong-type x:3:8: `parts` must be a list, not the text `plain`"])]
#[case::a_list_for_a_mapping("parts: []\nenv: [a]", &["wrong-type x:4:6: `env` must be a mapping, not a list"])]
#[case::nothing_for_a_list("parts:", &["wrong-type x:3:1: `parts` must be a list, not nothing"])]
#[case::values_of_a_map("parts: []\nenv: {A: 1, B: c, D: []}", &["wrong-type x:4:10: `A` must be a text, not the number `1`", "wrong-type x:4:22: `D` must be a text, not a list"])]
#[case::lists_in_lists("parts: []\ncommands: [[a, 1], b]", &["wrong-type x:4:16: an entry of `commands` must be a text, not the number `1`", "wrong-type x:4:20: an entry of `commands` must be a list, not the text `b`"])]
#[case::a_value_refused_in_own_words("parts: []\neven: 3", &["wrong-value x:4:7: 3 is odd"])]
#[case::a_bare_variant_that_needs_a_value("parts: [sized]", &["wrong-type x:3:9: `sized` needs a value"])]
#[case::a_value_for_a_bare_variant("parts: [plain: 1]", &["wrong-type x:3:9: `plain` takes no value"])]
#[case::two_variants_in_one("parts: [{plain: , named: x}]", &["wrong-type x:3:19: an entry of `parts` must have exactly one key, not 2"])]
#[case::no_variant("parts: [{}]", &["wrong-type x:3:9: an entry of `parts` must have exactly one key, not 0"])]
#[case::struct_variants("parts: [shaped: {egdes: 3}]", &["unknown-key x:3:18: unknown key `egdes` in `shaped`"])]
#[case::a_refused_alias("parts: [*nope]", &["unknown-anchor x:3:9: nothing before this is marked `&nope`"])]
#[case::a_duplicate_key("parts: []\nparts: x", &["duplicate-key x:4:1: the key `parts` is here twice"])]
#[case::an_aliased_mistake_once("parts: [&a {named: 6}, *a, *a]", &["wrong-type x:3:20: `named` must be a text, not the number `6`"])]
fn every_problem_is_told(#[case] tail: &str, #[case] expected: &[&str]) {
    let text = format!("{HEAD}{tail}\n");
    let (_, problems) = value::<Whole>(&text);
    assert_eq!(lines(&text, problems), expected);
}

#[test]
fn problems_of_all_kinds_are_told_at_once() {
    let text = "nmae: x\nkind: huge\nparts:\n  - sized: {width: x}\n  - {}\nport: no\nsure: 1\nenv: 5\neven: 7\n";
    let (whole, problems) = value::<Whole>(text);
    assert_eq!(whole, None);
    assert_eq!(
        lines(text, problems),
        [
            "unknown-key x:1:1: unknown key `nmae`",
            "unknown-value x:2:7: unknown value `huge` for `kind`",
            "missing-key x:4:12: missing key `height` in `sized`",
            "missing-key x:4:12: missing key `unit` in `sized`",
            "wrong-type x:4:20: `width` must be a whole number from 0 to 18446744073709551615, not the text `x`",
            "wrong-type x:5:5: an entry of `parts` must have exactly one key, not 0",
            "wrong-type x:6:7: `port` must be a whole number from 0 to 65535, not the text `no`",
            "wrong-type x:7:7: `sure` must be true or false, not the number `1`",
            "wrong-type x:8:6: `env` must be a mapping, not the number `5`",
            "wrong-value x:9:7: 7 is odd",
        ]
    );
}

#[test]
fn what_is_whole_is_kept_beside_what_is_not() {
    let text = format!("{HEAD}parts: [plain, 5, plain]\nport: x\nother: 1\n");
    let (whole, problems) = value::<Whole>(&text);
    assert_eq!(problems.len(), 3);
    let whole = whole.unwrap();
    assert_eq!((whole.parts.len(), whole.port), (2, 0));
}

#[test]
fn hints_say_what_was_meant() {
    let text = format!("{HEAD}parts: plain\nsure: on\nenv: {{A: 1.10}}\nprot: 1\nkeys: 1\n");
    let (_, problems) = value::<Whole>(&text);
    insta::assert_snapshot!(shown(&text, problems), @r#"
    error[wrong-type]: `parts` must be a list, not the text `plain`
     --> x:3:8
      |
    3 | parts: plain
      |        ^^^^^
      |
      = help: write it as a list: ["plain"]

    error[wrong-type]: `sure` must be true or false, not the text `on`
     --> x:4:7
      |
    4 | sure: on
      |       ^^
      |
      = help: write `true`

    error[wrong-type]: `A` must be a text, not the number `1.10`
     --> x:5:10
      |
    5 | env: {A: 1.10}
      |          ^^^^
      |
      = help: put it in quotes: "1.10"

    error[unknown-key]: unknown key `prot`
     --> x:6:1
      |
    6 | prot: 1
      | ^^^^
      |
      = help: did you mean `port`?

    error[unknown-key]: unknown key `keys`
     --> x:7:1
      |
    7 | keys: 1
      | ^^^^
      |
      = help: known here: name, kind, parts, port, factor, sure, env, commands, even

    error: x: 5 problems
    "#);
}

#[test]
fn a_file_that_holds_something_else_is_told_so() {
    assert_eq!(lines("", value::<Whole>("").1), ["wrong-type x:1:1: the file is empty"]);
    for (text, found) in [("- a", "a list"), ("text", "the text `text`")] {
        let (whole, problems) = value::<Whole>(text);
        assert_eq!(whole, None);
        let expected = format!("wrong-type x:1:1: the file must be a mapping, not {found}");
        assert_eq!(lines(text, problems), [expected]);
    }
}

#[test]
fn untyped_values_are_read_too() {
    let (read, problems) =
        value::<serde_json::Value>("a: [1, -2, 1.5, x, null, true]\nb: {c: d}\n");
    assert!(problems.is_empty());
    assert_eq!(
        read.unwrap(),
        serde_json::json!({"a": [1, -2, 1.5, "x", null, true], "b": {"c": "d"}})
    );
}

#[test]
fn keys_have_places_too() {
    let text = "a: b\ncc: d\n";
    let (map, _) = value::<Vec<Spanned<String>>>("[a]");
    assert_eq!(map.unwrap()[0].span.start, 1);
    let (node, _) = read(text);
    assert_eq!(node.unwrap().as_mapping().unwrap()[1].key.span.start, 5);
}

#[test]
fn a_file_with_a_problem_in_every_line_is_cut_short_quickly() {
    let text = format!("{HEAD}parts:\n{}", "  - sized: {width: x, hieght: 1}\n".repeat(5_000));
    let start = computed();
    let (_, problems) = value::<Whole>(&text);
    assert!(computed() - start < Duration::from_secs(2), "{:?}", computed() - start);
    let diagnostics = problems.into_sorted();
    assert!(diagnostics.len() <= 101, "{}", diagnostics.len());
    assert!(diagnostics.iter().any(|d| d.code == "too-many-problems"));
}

#[test]
fn a_large_file_with_few_problems_is_read_to_its_end() {
    let good = "  - sized: {width: 1, height: 2, unit: m}\n".repeat(2_000);
    let text = format!("{HEAD}parts:\n{good}  - sized: {{width: x}}\n{good}  - nope\n");
    let (_, problems) = value::<Whole>(&text);
    assert_eq!(lines(&text, problems).len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_tree_is_read_or_every_problem_has_a_place(
        keys in prop::collection::vec(
            (
                prop::sample::select(vec!["name", "kind", "parts", "port", "factor", "sure", "env", "commands", "even", "other"]),
                prop::sample::select(vec!["x", "1", "", "[]", "{}", "[plain, {sized: {width: 1}}, [a]]", "{a: b, c: [d]}", "small", "true", "[[a], b]", "*nope", "!x y", "3"]),
            ),
            0..8,
        )
    ) {
        let text: String = keys.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        let mut problems = Problems::default();
        let node = parse(&text, 0, &Dialect::PLAIN, &mut problems).unwrap();
        let whole: Option<Whole> = deserialize(&node, &mut problems);
        prop_assert!(whole.is_some() || !problems.is_empty());
        for diagnostic in problems.into_sorted() {
            let span = diagnostic.span.unwrap();
            prop_assert!(text.get(span.start..span.end).is_some());
        }
    }
}
