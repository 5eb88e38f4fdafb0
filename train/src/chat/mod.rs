//! Chats with a model: its template, where its turns end, and a conversation whose earlier turns are not read again.

mod conversation;
mod ends;
mod files;
mod sampling;
mod template;

pub use conversation::{Conversation, Reply, ReplyOptions};
pub use ends::turn_ends;
pub use sampling::SamplingDefaults;
pub use template::template_of;
