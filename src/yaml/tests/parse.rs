//! Trees out of YAML, with positions.

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

#[rstest]
#[case::scalars("a: 1\nb: yes\nc: 'true'\nd:\n", json!({"a": 1, "b": "yes", "c": "true", "d": null}))]
#[case::flow("{a: [1, 2.5, ~], b: {c: d}}", json!({"a": [1, 2.5, null], "b": {"c": "d"}}))]
#[case::blocks("a: |\n  x\n  y\nb: >-\n  x\n  y\n", json!({"a": "x\ny\n", "b": "x y"}))]
#[case::an_alias("a: &x {b: 1}\nc: *x\n", json!({"a": {"b": 1}, "c": {"b": 1}}))]
#[case::an_alias_as_key("a: &x b\n*x : c\n", json!({"a": "b", "b": "c"}))]
#[case::a_merge("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", json!({"a": {"b": 1, "c": 2}, "d": {"c": 3, "b": 1}}))]
#[case::a_merge_of_several("- &x {a: 1}\n- &y {a: 2, b: 2}\n- <<: [*x, *y]\n", json!([{"a": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 2}]))]
#[case::a_quoted_merge_key("{\"<<\": 1}", json!({"<<": 1}))]
#[case::core_tags("a: !!str 5\nb: !!int '5'\nc: ! 5\nd: !!float 5\n", json!({"a": "5", "b": 5, "c": "5", "d": 5.0}))]
#[case::a_kept_tag("a: !reset null\nb: !reset []\n", json!({"a": null, "b": []}))]
#[case::numbers_as_keys("8080: web\n", json!({"8080": "web"}))]
#[case::a_byte_order_mark("\u{feff}a: b\n", json!({"a": "b"}))]
#[case::windows_lines("a:\r\n  - b\r\n", json!({"a": ["b"]}))]
#[case::nothing("", json!(null))]
#[case::a_comment("# nothing\n", json!(null))]
#[case::one_explicit_document("---\na: b\n...\n", json!({"a": "b"}))]
#[case::a_redefined_anchor("- &x a\n- &x b\n- *x\n", json!(["a", "b", "b"]))]
fn text_becomes_a_tree(#[case] text: &str, #[case] expected: serde_json::Value) {
    let (node, problems) = read(text);
    assert_eq!(problems, [""; 0]);
    assert_eq!(plain(&node.unwrap()), expected);
}

#[rstest]
#[case::a_duplicate_key("a: 1\na: 2\n", json!({"a": 1}), &["duplicate-key x:2:1: the key `a` is here twice"])]
#[case::a_duplicate_merge("x: &x {}\ny:\n  <<: *x\n  <<: *x\n", json!({"x": {}, "y": {}}), &["duplicate-key x:4:3: the key `<<` is here twice"])]
#[case::an_unknown_tag("a: !custom b\nc: d\n", json!({"a": "REFUSED", "c": "d"}), &["unknown-tag x:1:4: unknown tag `!custom`"])]
#[case::an_unknown_tag_of_a_list("a: !!set [1]\n", json!({"a": "REFUSED"}), &["unknown-tag x:1:4: unknown tag `!!set`"])]
#[case::a_tag_that_does_not_fit("a: !!int x\nb: !!map []\n", json!({"a": "REFUSED", "b": "REFUSED"}), &["tag-mismatch x:1:10: this is no `!!int`", "tag-mismatch x:2:10: this is no `!!map`"])]
#[case::an_unknown_anchor("a: *nope\nb: c\n", json!({"a": "REFUSED", "b": "c"}), &["unknown-anchor x:1:4: nothing before this is marked `&nope`"])]
#[case::a_value_that_contains_itself("a: &a\n  b: *a\n", json!({"a": {"b": "REFUSED"}}), &["recursive-alias x:2:6: this alias stands for a value that contains it"])]
#[case::a_list_as_key("? [a]\n: b\nc: d\n", json!({"c": "d"}), &["wrong-key x:1:3: a key must be a single word or text"])]
#[case::a_merge_of_a_text("a:\n  <<: b\n  c: d\n", json!({"a": {"c": "d"}}), &["wrong-merge x:2:7: `<<` takes mappings over, not the text `b`"])]
#[case::two_documents("a: b\n---\nc: d\n", json!({"a": "b"}), &["several-documents x:2:1: a second document begins here"])]
#[case::several_at_once("a: !x 1\na: 2\nb: *c\n", json!({"a": "REFUSED", "b": "REFUSED"}), &["unknown-tag x:1:4: unknown tag `!x`", "duplicate-key x:2:1: the key `a` is here twice", "unknown-anchor x:3:4: nothing before this is marked `&c`"])]
fn the_rest_of_the_tree_survives(
    #[case] text: &str,
    #[case] expected: serde_json::Value,
    #[case] expected_problems: &[&str],
) {
    let (node, problems) = read(text);
    assert_eq!(problems, expected_problems);
    assert_eq!(plain(&node.unwrap()), expected);
}

#[rstest]
#[case::an_open_list("a: [1, 2\n", "syntax x:1:4: not YAML: unclosed bracket '['")]
#[case::an_open_quote("a: 'x\n", "syntax x:1:4: not YAML: unclosed quote")]
#[case::a_colon_too_much(
    "a: b: c\n",
    "syntax x:1:5: not YAML: mapping values are not allowed in this context"
)]
#[case::a_tab(
    "a:\n\tb: c\n",
    "syntax x:2:1: not YAML: tabs disallowed within this context (block indentation)"
)]
#[case::a_reserved_character("a: @b\n", "syntax x:1:4: not YAML: unexpected character: `@'")]
#[case::an_end_too_early("a: {b\n\n\n", "syntax x:1:4: not YAML: unclosed bracket '{'")]
fn a_syntax_error_is_one_problem_at_its_place(#[case] text: &str, #[case] expected: &str) {
    let (node, problems) = read(text);
    assert_eq!(problems, [expected]);
    assert_eq!(node, None);
}

/// Every level of the bomb has ten times what the level before has.
fn bomb(levels: usize) -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..levels {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

#[rstest]
#[case::aliases(bomb(30), "too-many-values")]
#[case::long_texts(format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(100)), "too-many-values")]
#[case::nested_aliases((0..40).map(|n| format!("a{n}: &a{n} [[[{}]]]\n", if n == 0 { "x".to_owned() } else { format!("*a{}", n - 1) })).collect(), "too-deep")]
#[case::brackets("[".repeat(100_000), "too-deep")]
#[case::braces("{".repeat(100_000), "too-deep")]
#[case::dashes("- ".repeat(100_000), "too-deep")]
#[case::question_marks("? ".repeat(100_000), "too-deep")]
#[case::indentation((0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).take(1_000).collect(), "too-deep")]
#[case::many_values("- a\n".repeat(200_000), "too-many-values")]
#[case::a_large_file("# ".repeat(1 << 20), "file-too-large")]
#[case::anchors(format!("{}x{}", "[&a ".repeat(60), "]".repeat(60)).repeat(1) , "")]
#[case::anchored_texts((0..60).map(|n| format!("{}- &a{n}\n", "  ".repeat(n))).collect::<String>() + &format!("{}  - {}", " ".repeat(120), "x".repeat(900_000)), "too-many-values")]
fn a_bomb_is_refused_quickly_and_with_its_place(#[case] text: String, #[case] code: &str) {
    let start = computed();
    let mut problems = Problems::default();
    let node = parse(&text, 0, &Dialect::PLAIN, &mut problems);
    assert!(computed() - start < Duration::from_secs(2), "{:?}", computed() - start);
    let codes: Vec<_> = problems.into_sorted().iter().map(|d| d.code).collect();
    if code.is_empty() {
        assert!(codes.is_empty(), "{codes:?}");
    } else {
        assert_eq!(codes, [code]);
        assert_eq!(node, None);
    }
}

#[test]
fn sixty_four_levels_are_allowed_and_one_more_is_not() {
    let nested = |depth: usize| format!("{}x{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&nested(64)).1, [""; 0]);
    assert_eq!(
        read(&nested(65)).1,
        ["too-deep x:1:65: lists and mappings are nested more than 64 deep"]
    );
}

#[test]
fn every_part_has_its_place() {
    let text = "a: [b, 'c d']\nbb:\n  - e: f\n    g:\n  - \"é\"\nh: &x i\nj: *x\n";
    let node = read(text).0.unwrap();
    let slice = |node: &Node| &text[node.span.start..node.span.end];
    assert_eq!(slice(&node), text.trim_end());
    let at = |key: &str| node.get(key).unwrap();
    assert_eq!(slice(at("a")), "[b, 'c d']");
    assert_eq!(slice(&at("a").as_sequence().unwrap()[1]), "'c d'");
    let list = at("bb").as_sequence().unwrap();
    assert_eq!(slice(at("bb")), "- e: f\n    g:\n  - \"é\"");
    assert_eq!(slice(&list[0]), "e: f\n    g");
    assert_eq!(slice(list[0].get("g").unwrap()), "g", "a missing value is shown at its key");
    assert_eq!(slice(&list[1]), "\"é\"");
    assert_eq!(slice(at("j")), "*x", "an aliased value stands where the alias is");
}

fn check_spans(text: &str, node: &Node) {
    let span = node.span;
    assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
    for item in node.as_sequence().unwrap_or_default() {
        check_spans(text, item);
    }
    for entry in node.as_mapping().unwrap_or_default() {
        let span = entry.key.span;
        assert!(text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
        check_spans(text, &entry.value);
    }
}

fn survives(text: &str) {
    let start = computed();
    let mut problems = Problems::default();
    let node = parse(text, 0, &TOLERANT, &mut problems);
    if let Some(node) = &node {
        check_spans(text, node);
    }
    assert!(node.is_some() || !problems.is_empty(), "refused without a word: {text:?}");
    for diagnostic in problems.into_sorted() {
        let span = diagnostic.span.unwrap();
        assert!(text.get(span.start..span.end).is_some(), "{diagnostic:?} in {text:?}");
    }
    assert!(computed() - start < Duration::from_secs(1));
}

/// Text that looks like YAML more often than chance would have it.
fn yamlish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        ": ",
        "? ",
        "&x ",
        "*x",
        "<<: *x",
        "!!str ",
        "!reset ",
        "!y ",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "#",
        "---\n",
        "...\n",
        "é",
        "漢",
        "\t",
        "\r\n",
        "\r",
        "%YAML 1.2\n",
        "\u{feff}",
        "~",
        "\\",
        "\u{85}",
        "\u{2028}",
        "\0",
        "@",
        "`",
        "1.5",
        "0x",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_yamlish_text_is_read_or_refused(text in yamlish()) {
        survives(&text);
    }
}
