//! Chats of several families of models against transformers.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use hearth_data::Tokenizer;
use hearth_data::chat::{ChatError, ChatTemplate, DateTime, Encoded, EncodedRow, Message, Row};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Goldens {
    version: u32,
    tokenizers: BTreeMap<String, Value>,
    /// As they stand in the file: the order of fields counts.
    conversations: BTreeMap<String, Box<RawValue>>,
    tools: Box<RawValue>,
    families: Vec<Family>,
}

#[derive(Deserialize)]
struct Family {
    name: String,
    template: String,
    tokenizer: String,
    tokens: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Rendered { conversation: String, text: String, prompted: String, ids: Vec<u32>, trained: Option<String> },
    Refused { conversation: String, refused: String },
}

static GOLDENS: LazyLock<Goldens> = LazyLock::new(|| {
    let goldens: Goldens = serde_json::from_str(include_str!("chat.json")).unwrap();
    assert_eq!((goldens.version, goldens.families.len(), goldens.conversations.len()), (1, 13, 14));
    goldens
});

/// The template as its model's folder would have it.
fn template(family: &Family) -> ChatTemplate {
    let mut config = serde_json::json!(family.tokens);
    config["chat_template"] = family.template.as_str().into();
    let template = ChatTemplate::from_config(&config.to_string(), None).unwrap();
    template.with_now(DateTime::new(2024, 7, 6).unwrap())
}

fn tokenizer(family: &Family) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), GOLDENS.tokenizers[&family.tokenizer].to_string()).unwrap();
    Tokenizer::from_file(folder.path()).unwrap()
}

/// The row of a conversation, with tools where it calls one.
fn row(conversation: &str) -> Row {
    let messages = &GOLDENS.conversations[conversation];
    let json = match conversation {
        "calls" => format!(r#"{{"messages":{messages},"tools":{}}}"#, GOLDENS.tools),
        _ => format!(r#"{{"messages":{messages}}}"#),
    };
    Row::from_json(0, &json).unwrap()
}

fn messages(row: &Row) -> &[Message] {
    let Row::Chat { messages, .. } = row else { panic!("{row:?}") };
    messages
}

#[test]
fn every_family_renders_as_in_transformers() {
    for family in &GOLDENS.families {
        for case in &family.cases {
            let mut template = template(family);
            match case {
                Case::Rendered { conversation, text, prompted, .. } => {
                    if conversation == "calls" {
                        template = template.with_variable("tools", &GOLDENS.tools).unwrap();
                    }
                    let row = row(conversation);
                    let at = format!("{}, {conversation}", family.name);
                    assert_eq!(template.render(messages(&row), false).unwrap(), *text, "{at}");
                    assert_eq!(template.render(messages(&row), true).unwrap(), *prompted, "{at}, prompted");
                }
                Case::Refused { conversation, refused } => match template.render(messages(&row(conversation)), false) {
                    Err(ChatError::Raised { said }) => assert_eq!(said, *refused, "{}, {conversation}", family.name),
                    other => panic!("{}, {conversation}: {other:?}", family.name),
                },
            }
        }
    }
}

#[test]
fn every_family_has_the_tokens_and_the_mask_of_transformers() {
    for family in &GOLDENS.families {
        let (template, tokenizer) = (template(family), tokenizer(family));
        for case in &family.cases {
            let Case::Rendered { conversation, ids, trained, .. } = case else { continue };
            let at = format!("{}, {conversation}", family.name);
            match (row(conversation).encode(&tokenizer, Some(&template)), trained) {
                (Ok(EncodedRow::One(Encoded { ids: found, trained: mask, .. })), Some(trained)) => {
                    assert_eq!(found, *ids, "{at}");
                    let mask: String = mask.into_iter().map(|trained| if trained { '1' } else { '0' }).collect();
                    assert_eq!(mask, *trained, "{at}");
                }
                (Err(ChatError::Untrained { .. } | ChatError::NoAssistant { .. }), None) => {}
                (other, _) => panic!("{at}: {other:?}"),
            }
        }
    }
}
