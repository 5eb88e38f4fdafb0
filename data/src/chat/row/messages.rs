//! Messages of a row, as chats' APIs or as ShareGPT have them.

use minijinja::value::Value;

use crate::chat::fault::Fault;
use crate::chat::message::list;
use crate::chat::{Content, Message};

/// What ShareGPT's `from` stands for.
const ROLES: [(&str, &str); 12] = [
    ("human", "user"),
    ("user", "user"),
    ("gpt", "assistant"),
    ("chatgpt", "assistant"),
    ("bing", "assistant"),
    ("bard", "assistant"),
    ("model", "assistant"),
    ("assistant", "assistant"),
    ("system", "system"),
    ("tool", "tool"),
    ("observation", "tool"),
    ("function", "tool"),
];

/// The messages in a row's field `name`, at least one.
pub(super) fn messages(value: &Value, name: &str) -> Result<Vec<Message>, Fault> {
    let items = list(value, name, "a list of messages")?;
    if items.is_empty() {
        return Err(Fault::new(name, "an empty list", "one with at least one message"));
    }
    let message = |(index, item): (usize, &Value)| {
        let at = format!("{name}[{index}]");
        let from = item.get_attr("from").unwrap_or_default();
        if from.is_undefined() { Message::parse(item, &at) } else { from_share_gpt(item, &from, &at) }
    };
    items.iter().enumerate().map(message).collect()
}

fn from_share_gpt(item: &Value, from: &Value, at: &str) -> Result<Message, Fault> {
    const EXPECTED: &str = "\"human\", \"gpt\", \"system\" or \"tool\"";
    let name = from.as_str().ok_or_else(|| Fault::of(from, format!("{at}.from"), EXPECTED))?;
    let role = ROLES.iter().find(|(other, _)| *other == name).map(|(_, role)| *role);
    let role = role.ok_or_else(|| Fault::new(format!("{at}.from"), format!("{name:?}"), EXPECTED))?;
    let value = item.get_attr("value").unwrap_or_default();
    if value.is_undefined() {
        return Err(Fault::of(&value, format!("{at}.value"), "a string"));
    }
    Ok(Message::new(role, Content::parse(&value, &format!("{at}.value"))?))
}
