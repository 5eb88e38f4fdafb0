//! The program `hearth` as a user meets it.

mod book;
mod chats;
mod commands;
mod configuration;
mod export;
mod habits;
mod page;
mod prepare;
mod published;
mod runs;
mod scale;
mod starts;
mod support;
mod terminal;
