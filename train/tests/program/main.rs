//! The program `hearth` as a user meets it.

mod book;
mod chat;
mod chats;
mod commands;
mod configuration;
mod evaluation;
mod export;
mod finetune;
mod habits;
mod page;
mod prepare;
mod published;
mod runs;
mod scale;
mod starts;
mod support;
mod terminal;
