//! Chats by templates: rows and what is trained of them.

mod rows;
mod template;
