//! Rows of data sets: their forms, their faults and their tokens.

use hearth_data::chat::{ChatError, ChatTemplate, ChatTokenizer, Content, Encoded, EncodedRow, Message, Passage, Row};
use proptest::prelude::*;
use serde_json::{Value, json};

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Newlines, and words of up to four characters with the spaces before them; `<|im_start|>` and `<|im_end|>` are special.
struct Words;

impl ChatTokenizer for Words {
    fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, String> {
        let mut ids = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let special = ["<|im_start|>", "<|im_end|>"].iter().position(|name| rest.starts_with(name));
            let length = match special {
                Some(special) => [12, 10][special],
                None => word(rest),
            };
            let (token, after) = rest.split_at(length);
            let hash = token.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
            ids.push(special.map_or(hash | 2, |special| special as u32));
            rest = after;
        }
        Ok(ids)
    }

    fn is_special(&self, id: u32) -> bool {
        id < 2
    }
}

fn word(text: &str) -> usize {
    if text.starts_with('\n') {
        return 1;
    }
    let spaces = text.len() - text.trim_start_matches(' ').len();
    let letters = text[spaces..].char_indices().take_while(|(_, letter)| !letter.is_whitespace() && *letter != '<');
    let letters = letters.take(4).last().map_or(0, |(at, letter)| at + letter.len_utf8());
    (spaces + letters).max(1)
}

fn row(value: Value) -> Row {
    Row::from_value(1, &value).unwrap()
}

fn fault(value: Value) -> String {
    Row::from_value(3, &value).unwrap_err().to_string()
}

fn chatml() -> ChatTemplate {
    ChatTemplate::new(CHATML).unwrap()
}

fn one(row: &Row) -> Encoded {
    match row.encode(&Words, Some(&chatml())).unwrap() {
        EncodedRow::One(encoded) => encoded,
        pair => panic!("{pair:?}"),
    }
}

/// The ids of the parts of a text, of which every other one is trained.
fn parts(parts: &[&str]) -> (Vec<u32>, Vec<bool>) {
    let ids: Vec<Vec<u32>> = parts.iter().map(|part| Words.encode_with_special(part).unwrap()).collect();
    let trained = ids.iter().enumerate().flat_map(|(index, ids)| vec![index % 2 == 1; ids.len()]).collect();
    (ids.concat(), trained)
}

fn assert_parts(encoded: Encoded, expected: &[&str]) {
    assert_eq!((encoded.ids, encoded.trained), parts(expected));
}

#[test]
fn each_form_of_a_chat_is_the_same_chat() {
    let chat = Row::Chat { messages: vec![Message::new("user", "Hi"), Message::new("assistant", "Yo")], tools: None };
    assert_eq!(
        row(json!({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]})),
        chat
    );
    assert_eq!(
        row(json!({"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]})),
        chat
    );
    for (human, gpt) in [("human", "gpt"), ("user", "chatgpt")] {
        let turns = json!([{"from": human, "value": "Hi"}, {"from": gpt, "value": "Yo", "weight": null}]);
        assert_eq!(row(json!({"id": 7, "conversations": turns, "messages": null})), chat);
    }
    let text = ["<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "Yo<|im_end|>", "\n"];
    assert_parts(one(&chat), &text);
}

#[test]
fn a_token_that_begins_in_the_header_is_not_trained() {
    // A header that ends with a space, which is the first word's.
    let template = "{% for m in messages %}{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
    let chat =
        row(json!({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "bbbb cc"}]}));
    let encoded = chat.encode(&Words, Some(&ChatTemplate::new(template).unwrap())).unwrap();
    let EncodedRow::One(encoded) = encoded else { panic!("one chat") };
    assert_parts(encoded, &["user: a<|im_end|>assistant: bbbb", " cc<|im_end|>"]);
}

#[test]
fn a_completion_is_trained_and_its_prompt_is_not() {
    assert_parts(one(&row(json!({"prompt": "one two", "completion": " three four"}))), &["one two", " three four"]);
    // The word that the prompt begins is not.
    assert_parts(one(&row(json!({"prompt": "one t", "completion": "wo three"}))), &["one two", " three"]);
    assert_parts(one(&row(json!({"text": "one two"}))), &["", "one two"]);
    assert_parts(one(&row(json!({"text": ""}))), &[]);
    let user = json!({"role": "user", "content": "a"});
    let answer = |text: &str| json!({"role": "assistant", "content": text});
    let chat = json!({"prompt": [user, answer(" b"), user], "completion": [answer(" c")]});
    let Encoded { trained, .. } = one(&row(chat));
    let whole = one(&row(json!({"messages": [user, answer(" b"), user, answer(" c")]})));
    let count = |trained: &[bool]| trained.iter().filter(|trained| **trained).count();
    assert_eq!((count(&trained), count(&whole.trained)), (2, 4));
}

#[test]
fn preferences_are_pairs_with_one_prompt() {
    let user = |text: &str| json!({"role": "user", "content": text});
    let answer = |text: &str| json!({"role": "assistant", "content": text});
    let expected = Row::Preference {
        prompt: Passage::Messages(vec![Message::new("user", "a")]),
        chosen: Passage::Messages(vec![Message::new("assistant", "good")]),
        rejected: Passage::Messages(vec![Message::new("assistant", "bad")]),
        tools: None,
    };
    for same in [
        json!({"prompt": [user("a")], "chosen": [answer("good")], "rejected": [answer("bad")]}),
        json!({"chosen": [user("a"), answer("good")], "rejected": [user("a"), answer("bad")]}),
        json!({"prompt": "a", "chosen": [user("a"), answer("good")], "rejected": [user("a"), answer("bad")]}),
        json!({"prompt": "a", "chosen": [answer("good")], "rejected": [answer("bad")]}),
    ] {
        assert_eq!(row(same), expected);
    }
    let both =
        json!({"messages": [user("a")], "chosen": [user("a"), answer("good")], "rejected": [user("a"), answer("bad")]});
    assert!(matches!(row(both.clone()), Row::Chat { .. }));
    assert_eq!(Row::preference_from_value(1, &both).unwrap(), expected);
    assert_eq!(Row::preference_from_json(1, &both.to_string()).unwrap(), expected);
    assert!(
        Row::preference_from_json(1, r#"{"text":""}"#)
            .unwrap_err()
            .to_string()
            .starts_with("row 1: `chosen` is missing")
    );
    let strings = row(json!({"prompt": "one", "chosen": " good", "rejected": " bad"}));
    match strings.encode(&Words, None).unwrap() {
        EncodedRow::Pair { chosen, rejected } => {
            assert_parts(chosen, &["one", " good"]);
            assert_parts(rejected, &["one", " bad"]);
        }
        other => panic!("{other:?}"),
    }
    match expected.encode(&Words, Some(&chatml())).unwrap() {
        EncodedRow::Pair { chosen, rejected } => assert_ne!(chosen, rejected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn faults_name_the_row_the_field_and_what_is_expected() {
    let user = json!({"role": "user", "content": "a"});
    for (value, said) in [
        (json!([1]), "row 3: `row` is a list, not an object with `messages`"),
        (
            json!({"body": "a", "id": 1}),
            "row 3: `row` is an object with [\"body\", \"id\"], not an object with `messages`",
        ),
        (json!({"messages": "a"}), "row 3: `messages` is a string, not a list of messages"),
        (json!({"messages": []}), "row 3: `messages` is an empty list"),
        (json!({"messages": [user, 1]}), "row 3: `messages[1]` is a number, not an object with `role` and `content`"),
        (json!({"messages": [{"content": "a"}]}), "row 3: `messages[0].role` is missing, not a string"),
        (json!({"messages": [{"role": 1}]}), "row 3: `messages[0].role` is a number, not a string"),
        (
            json!({"messages": [{"role": "user", "content": 1}]}),
            "row 3: `messages[0].content` is a number, not a string, or a list",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image", "url": "x"}]}]}),
            "row 3: `messages[0].content[0]` is a part of type \"image\", not one of type \"text\"",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "row 3: `messages[0].content[0].text` is missing",
        ),
        (
            json!({"conversations": [{"from": "alien", "value": "a"}]}),
            "row 3: `conversations[0].from` is \"alien\", not \"human\"",
        ),
        (json!({"conversations": [{"from": "human"}]}), "row 3: `conversations[0].value` is missing, not a string"),
        (json!({"prompt": "a"}), "row 3: `completion` is missing, not a string, or a list of messages"),
        (json!({"prompt": "a", "completion": [user]}), "row 3: `completion` is a list, not a string, as `prompt` is"),
        (json!({"text": 1}), "row 3: `text` is a number, not a string"),
        (json!({"chosen": "a", "rejected": "b"}), "row 3: `prompt` is missing"),
        (json!({"chosen": [user], "rejected": [{"role": "user", "content": "b"}]}), "row 3: `prompt` is missing"),
        (json!({"prompt": "a", "chosen": "a"}), "row 3: `rejected` is missing"),
        (json!({"prompt": "a", "chosen": "b", "rejected": "b"}), "row 3: `rejected` is the same as `chosen`"),
        (
            json!({"prompt": [user], "chosen": [user], "rejected": [{"role": "assistant", "content": "b"}]}),
            "row 3: `chosen` is without the assistant's answer",
        ),
        (json!({"messages": [user], "tools": 5}), "row 3: `tools` is a number, not a list of JSON"),
    ] {
        let found = fault(value);
        assert!(found.starts_with(said), "{found}\n{said}");
    }
    let broken = Row::from_json(9, "{\"text\": ").unwrap_err().to_string();
    assert!(broken.starts_with("row 9: `row` is no JSON (EOF"), "{broken}");
}

#[test]
fn what_cannot_be_trained_is_refused_with_the_reason() {
    let user = json!({"role": "user", "content": "a"});
    let unanswered = row(json!({"messages": [user]})).encode(&Words, Some(&chatml())).unwrap_err();
    assert_eq!(
        unanswered.in_row(4).to_string(),
        "row 4: none of the 1 messages to be trained is the assistant's: leave the row out"
    );
    let chat = row(json!({"messages": [user, {"role": "assistant", "content": "b"}]}));
    assert!(matches!(chat.encode(&Words, None), Err(ChatError::NeedsTemplate)));
    // As DeepSeek-R1's: what the prompt opens is stripped.
    let strips = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]<think>{% endif %}";
    let error = chat.encode(&Words, Some(&ChatTemplate::new(strips).unwrap())).unwrap_err().to_string();
    assert!(error.contains("message 1 does not follow its generation prompt"), "{error}");
    let last_alone = "{% for m in messages %}[{{ m.role }}]{{ 'x' if loop.last and m.role == 'assistant' }}{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    let followed = row(json!({"messages": [user, {"role": "assistant", "content": "b"}, user]}));
    let error = followed.encode(&Words, Some(&ChatTemplate::new(last_alone).unwrap())).unwrap_err().to_string();
    assert!(error.contains("message 1 otherwise once the chat goes on"), "{error}");
    let nothing = "{% for m in messages %}{% generation %}{% endgeneration %}{{ m.content }}{% endfor %}";
    let error = chat.encode(&Words, Some(&ChatTemplate::new(nothing).unwrap())).unwrap_err().to_string();
    assert!(error.contains("writes nothing in a generation block"), "{error}");
}

#[test]
fn tools_of_a_row_reach_the_template_in_their_order() {
    let template =
        ChatTemplate::new(&format!("{{% if tools %}}{{{{ tools | tojson }}}}{{% endif %}}{CHATML}")).unwrap();
    let json =
        r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"tools":[{"z":1,"a":2}]}"#;
    let text = json.replace(r#"[{"z":1,"a":2}]"#, r#""[{\"z\": 1, \"a\": 2}]""#);
    let (expected, _) = parts(&[r#"[{"z": 1, "a": 2}]"#, "<|im_start|>"]);
    for json in [json, &text] {
        let EncodedRow::One(Encoded { ids, .. }) =
            Row::from_json(1, json).unwrap().encode(&Words, Some(&template)).unwrap()
        else {
            panic!("one chat")
        };
        assert_eq!(ids[..expected.len()], expected);
    }
}

#[test]
fn content_that_is_null_is_missing() {
    let Row::Chat { messages, .. } = row(json!({"messages": [{"role": "assistant", "content": null, "name": null}]}))
    else {
        panic!("a chat")
    };
    assert_eq!(messages, [Message::new("assistant", Content::Missing)]);
}

/// A value of JSON that is somewhat like a row.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), "[a-z]{0,4}".prop_map(Value::from)];
    let keys = "messages|conversations|from|value|role|content|type|text|prompt|chosen|rejected|completion|tools|user|assistant";
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_value_panics(value in values()) {
        if let Ok(row) = Row::from_value(1, &value) {
            let _ = row.encode(&Words, Some(&chatml()));
        }
    }

    /// Against the places of the tokens, which this tokenizer could tell.
    #[test]
    fn trained_tokens_are_those_that_begin_in_the_completion(prompt in "[ab \n😀]{0,12}", completion in "[ab \n😀]{0,12}") {
        let Encoded { ids, trained, .. } = one(&row(json!({"prompt": prompt, "completion": completion})));
        let text = prompt.clone() + &completion;
        let mut begins = Vec::new();
        let mut at = 0;
        while at < text.len() {
            begins.push(at);
            at += word(&text[at..]);
        }
        prop_assert_eq!(ids, Words.encode_with_special(&text).unwrap());
        prop_assert_eq!(trained, begins.into_iter().map(|begin| begin >= prompt.len()).collect::<Vec<_>>());
    }
}
