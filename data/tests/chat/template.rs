//! Templates: where they are found, what they may do, and what they may not.

use hearth_data::chat::{ChatError, ChatTemplate, Content, DateTime, Message};
use proptest::prelude::*;
use serde_json::json;

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}";

fn hello() -> [Message; 1] {
    [Message::new("user", "Hello")]
}

fn rendered(source: &str) -> Result<String, ChatError> {
    ChatTemplate::new(source)?.render(&hello(), false)
}

#[test]
fn a_configuration_has_its_template_and_tokens_in_each_form() {
    let source = "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}";
    let tokens =
        json!({"bos_token": {"__type": "AddedToken", "content": "<s>"}, "eos_token": "</s>", "pad_token": null});
    let with = |template: serde_json::Value| {
        let mut config = tokens.clone();
        config["chat_template"] = template;
        ChatTemplate::from_config(&config.to_string(), None)
    };
    let named = json!([{"name": "tool_use", "template": "t"}, {"name": "default", "template": source}]);
    for template in [json!(source), named] {
        assert_eq!(with(template).unwrap().render(&hello(), false).unwrap(), "<s></s>False");
    }
    let beside = ChatTemplate::from_config(&tokens.to_string(), Some("{{ bos_token }}!")).unwrap();
    assert_eq!(beside.render(&hello(), false).unwrap(), "<s>!");

    let said = |template: serde_json::Value| with(template).unwrap_err().to_string();
    assert!(said(json!([{"name": "rag", "template": "t"}])).contains("named `default` among [\"rag\"]"));
    assert!(said(json!([1])).contains("`chat_template` of tokenizer_config.json is a list of something else"));
    assert!(said(json!(7)).contains("is 7, not a string"));
    assert!(said(json!(null)).contains("has no `chat_template`: give a chat_template.jinja"));
    let config = json!({"chat_template": "", "bos_token": 1}).to_string();
    assert!(ChatTemplate::from_config(&config, None).unwrap_err().to_string().contains("`bos_token`"));
    assert!(ChatTemplate::from_config("[", None).unwrap_err().to_string().contains("an object of JSON"));
}

#[test]
fn a_folder_has_its_template_in_either_file() {
    let folder = tempfile::tempdir().unwrap();
    let render = || ChatTemplate::from_folder(folder.path()).map(|template| template.render(&hello(), false).unwrap());
    assert!(matches!(render(), Err(ChatError::NoTemplateIn { .. })));
    let config = folder.path().join("tokenizer_config.json");
    std::fs::write(&config, r#"{"bos_token": "<s>"}"#).unwrap();
    assert!(matches!(render(), Err(ChatError::NoTemplateIn { .. })));
    std::fs::write(&config, r#"{"bos_token": "<s>", "chat_template": "{{ bos_token }} of the configuration"}"#)
        .unwrap();
    assert_eq!(render().unwrap(), "<s> of the configuration");
    std::fs::write(folder.path().join("chat_template.jinja"), "\u{feff}{{ bos_token }} of the file\r\n").unwrap();
    assert_eq!(render().unwrap(), "<s> of the file");
    std::fs::remove_file(&config).unwrap();
    assert_eq!(render().unwrap(), " of the file");
}

#[test]
fn the_date_is_the_one_that_is_given() {
    let asks = "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'never' }}";
    assert_eq!(rendered(asks).unwrap(), "never");
    assert!(matches!(rendered("{{ strftime_now('%d') }}"), Err(ChatError::NoDate)));
    let at = |source: &str| ChatTemplate::new(source).unwrap().with_now(DateTime::new(2024, 7, 6).unwrap());
    assert_eq!(at(asks).render(&hello(), false).unwrap(), "06 Jul 2024");
    let error = at("{{ strftime_now('%Q') }}").render(&hello(), false).unwrap_err();
    assert!(error.to_string().contains("`strftime_now` is given %Q"), "{error}");
}

#[test]
fn a_template_without_end_or_measure_is_refused() {
    let doubled =
        "{% set ns = namespace(x='ab') %}{% for i in range(90) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}";
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    let long = "{% set x = 'abcdefgh' * 100000 %}{% for i in range(99999) %}{{ x }}{% endfor %}";
    let joined = "{% set x = ['a'] * 100000 %}{{ x | join('b' * 100000) }}";
    let replaced = "{% set x = 'a' * 100000 %}{{ x.replace('a', x) }}";
    let macros = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    for source in [doubled, endless, long, joined, replaced, macros] {
        match rendered(source) {
            Err(ChatError::TooMuch { .. }) => {}
            Err(ChatError::Render { reason, .. }) if reason.contains("recursion") || reason.contains("large") => {}
            other => panic!("{source}: {:?}", other.map(|text| text.len())),
        }
    }
    let nested = "{% if true %}".repeat(5000) + &"{% endif %}".repeat(5000);
    assert!(matches!(rendered(&nested), Err(ChatError::Syntax { .. })));
}

#[test]
fn a_template_reaches_nothing_but_what_it_is_given() {
    for source in ["{% include '/etc/passwd' %}", "{% import '/etc/passwd' as p %}{{ p }}", "{% extends 'x' %}"] {
        let error = rendered(source).unwrap_err().to_string();
        assert!(error.contains("unknown statement"), "{error}");
    }
    // As in transformers' sandbox, lists are not changed.
    assert!(matches!(rendered("{{ messages.append(1) }}"), Err(ChatError::Render { .. })));
    assert!(matches!(rendered("{{ debug() }}"), Err(ChatError::Render { .. })));
}

#[test]
fn errors_name_the_line_or_say_what_the_template_says() {
    let error = rendered("a\n{{ b").unwrap_err().to_string();
    assert!(error.starts_with("line 2 of the chat template cannot be compiled"), "{error}");
    let error = rendered("a\n\n{{ messages[0].content.nothing() }}").unwrap_err().to_string();
    assert!(error.starts_with("line 3 of the chat template fails, unknown method"), "{error}");
    let raised =
        "{% macro f() %}{% if true %}{{ raise_exception('No ' + messages[0].role) }}{% endif %}{% endmacro %}{{ f() }}";
    match rendered(raised) {
        Err(ChatError::Raised { said }) => assert_eq!(said, "No user"),
        other => panic!("{other:?}"),
    }
    assert!(rendered("{{ 'a' + messages[0].nothing }}").is_err(), "an undefined value is no string");
}

#[test]
fn values_are_written_as_in_python() {
    // Python's str and json.dumps.
    for (source, text) in [
        ("{{ [true, none, 1, 1.5, 'a\"b', \"a'b\"] }}", "[True, None, 1, 1.5, 'a\"b', \"a'b\"]"),
        ("{{ {'a': {'b': []}} }}{{ true }}{{ none }}{{ 1e-7 }} {{ 2.0 }}", "{'a': {'b': []}}TrueNone1e-07 2.0"),
        ("{{ 'é<&>\\n\\x00\"' | tojson }}", "\"é<&>\\n\\u0000\\\"\""),
        ("{{ '😀' | tojson(ensure_ascii=true) }}", "\"\\ud83d\\ude00\""),
        (
            "{{ {'b': 1e22, 'a': [1e-7, -0.0, 1e15]} | tojson }}",
            "{\"b\": 1e+22, \"a\": [1e-07, -0.0, 1000000000000000.0]}",
        ),
        (
            "{{ {'b': [], 'a': {}, 'c': [1, {'d': none}]} | tojson(indent=2, sort_keys=true) }}",
            "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": [\n    1,\n    {\n      \"d\": null\n    }\n  ]\n}",
        ),
        ("{{ {'a': [1, 2]} | tojson(separators=(',', ':')) }}", "{\"a\":[1,2]}"),
        ("{{ {1: true} | tojson(indent='\\t') }}", "{\n\t\"1\": true\n}"),
        ("{{ ' a b '.strip() }}|{{ 'xaxbx'.split('x') }}|{{ 'a  b'.split() }}", "a b|['', 'a', 'b', '']|['a', 'b']"),
        ("{{ 'abc'[1:] }}{{ 'abc'[-1] }}{{ 'abc'[::-1] }}{{ messages[-1].role }}{{ messages[1:] }}", "bcccbauser[]"),
        ("{{ 'abc'.removeprefix('a').removesuffix('c') }}{{ 'abc'.startswith(('x', 'a')) }}", "bTrue"),
        ("{{ 'a' is sequence }}{{ {} is sequence }}{{ none is iterable }}{{ [] is iterable }}", "TrueTrueFalseTrue"),
        ("{{ tools }}{{ tools is none }}{{ documents is none }}{{ bos_token is defined }}", "NoneTrueTrueFalse"),
        (
            "{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{{ loop.index0 }}{{ loop.last }} {% endfor %}",
            "b10False a21True ",
        ),
        (
            "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
            "02",
        ),
    ] {
        assert_eq!(rendered(source).unwrap(), text, "{source}");
    }
}

#[test]
fn fields_pass_through_in_order_and_reasoning_under_its_names() {
    let message = Message::new("assistant", Content::Missing).with_field("reasoning", "hm").unwrap();
    let message = message.with_field("tool_calls", json!([{"name": "f"}])).unwrap();
    let template = "{{ messages[0].content is defined }} {{ messages[0].thinking }} {{ messages[0].reasoning_content }} {{ messages[0].tool_calls[0].name }} {{ 'name' in messages[0] }}";
    let message = message.with_field("name", ()).unwrap();
    assert_eq!(ChatTemplate::new(template).unwrap().render(&[message], false).unwrap(), "False hm hm f False");
}

#[test]
fn parts_are_joined_where_the_template_reads_strings() {
    let parts = [Message::new("user", Content::Parts(vec!["one".into(), "two".into()]))];
    let render = |source: &str| ChatTemplate::new(source).unwrap().render(&parts, false).unwrap();
    assert_eq!(render(CHATML), "<|im_start|>user\none\ntwo<|im_end|>\n");
    let dropped = "{{ messages[0].content if messages[0].content is string else '' }}";
    assert_eq!(render(dropped), "one\ntwo");
    let reads = "{% for part in messages[0].content %}[{{ part.text }}]{% endfor %}";
    assert_eq!(render(reads), "[one][two]");
}

proptest! {
    #[test]
    fn no_source_and_no_content_panics(
        source in "(\\{[%{#]-?|-?[%}#]\\}| |\n|messages|\\[|\\]|'|\\.content|generation|endgeneration|for m in|endfor|if|raw|[a-zé(){}|%#-]){0,24}",
        content in ".{0,20}",
    ) {
        if let Ok(template) = ChatTemplate::new(&source) {
            let _ = template.render(&[Message::new("user", content)], true);
        }
    }

    #[test]
    fn content_is_never_read_as_a_template(content in "[{}%# a-z\n]{0,20}") {
        let text = ChatTemplate::new(CHATML).unwrap().render(&[Message::new("user", content.as_str())], false).unwrap();
        prop_assert_eq!(text, format!("<|im_start|>user\n{content}<|im_end|>\n"));
    }
}
