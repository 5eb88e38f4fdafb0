//! Chats: messages to text by a model's template, to tokens, and to which of these the assistant says.
//!
//! ```
//! use hearth_data::chat::{ChatTemplate, ChatTokenizer, Message};
//!
//! /// Each byte is a token.
//! struct Bytes;
//!
//! impl ChatTokenizer for Bytes {
//!     fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, String> {
//!         Ok(text.bytes().map(u32::from).collect())
//!     }
//!
//!     fn is_special(&self, _id: u32) -> bool {
//!         false
//!     }
//! }
//!
//! # fn main() -> Result<(), hearth_data::chat::ChatError> {
//! let template = ChatTemplate::new(
//!     "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}\
//!      {% if add_generation_prompt %}assistant: {% endif %}",
//! )?;
//! let chat = [Message::new("user", "Hello"), Message::new("assistant", "Hi")];
//! assert_eq!(template.render(&chat[..1], true)?, "user: Hello\nassistant: ");
//!
//! let encoded = template.encode(&Bytes, &chat)?;
//! let trained = encoded.ids.iter().zip(encoded.trained).filter(|(_, trained)| *trained);
//! assert_eq!(trained.map(|(&byte, _)| byte as u8).collect::<Vec<_>>(), b"Hi\n");
//! # Ok(())
//! # }
//! ```
//!
//! # What is trained
//!
//! Where the template has `{% generation %}` blocks, the tokens that overlap one, as in transformers'
//! `return_assistant_tokens_mask`.
//!
//! Where it has none, a turn of the assistant is found by rendering prefixes: the text of the messages before it with the
//! generation prompt, and the text up to and with it. Where both begin the text of the whole chat, what lies between them is
//! what the model was asked to write, and the tokens that begin there are trained. White space behind the special token that
//! ends a turn, as the newline after `<|im_end|>`, is not: a model stops before it.
//!
//! Some templates write an earlier turn otherwise once the chat goes on, as Qwen3's leaves its reasoning out. Such a turn's
//! text is not what the model would have written there, and training on it would teach the model not to reason; it is context
//! alone, and the turns that stand as they were written, the last above all, are trained. A chat without any such turn is
//! refused: it ends with a message that is not the assistant's, or its template asks for what it then strips, as DeepSeek-R1's
//! does with `<think>`. Where a variable decides whether the template asks for reasoning, as `enable_thinking`, set it as the
//! rows are.

mod date;
mod encode;
mod environment;
mod error;
mod fault;
mod generation;
#[cfg(not(target_family = "wasm"))]
mod gguf;
mod json;
mod message;
mod row;
mod source;
mod template;
mod tokens;
mod turns;

pub use date::DateTime;
pub use encode::Encoded;
pub use error::ChatError;
pub use message::{Content, Message};
pub use row::{EncodedRow, Passage, Row, Tools};
pub use template::ChatTemplate;
pub use tokens::ChatTokenizer;
