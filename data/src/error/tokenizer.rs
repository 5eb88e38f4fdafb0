//! Everything that can be wrong with a tokenizer and what it is given.

use std::path::PathBuf;

/// What is wrong with a tokenizer or its file, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// A character tokenizer was asked for without any characters.
    #[error("a character tokenizer needs at least one character: build it from a text that is not empty")]
    EmptyVocabulary,
    /// A saved character tokenizer lists its characters out of order or twice.
    #[error(
        "`characters` of a saved tokenizer must rise without repeats, but {next:?} follows {previous:?}: \
         restore the file as it was saved"
    )]
    UnsortedVocabulary {
        /// The character before the fault.
        previous: char,
        /// The character that should have been greater than `previous`.
        next: char,
    },
    /// The text has a character that the tokenizer has no id for.
    #[error(
        "character {character:?} at character {char_position} (byte {byte_position}) of the text is not in the \
         tokenizer's vocabulary: remove it, or use the byte tokenizer"
    )]
    UnknownCharacter {
        /// The character without an id.
        character: char,
        /// Characters before it.
        char_position: usize,
        /// Bytes before it.
        byte_position: usize,
    },
    /// An id to decode lies outside the vocabulary.
    #[error(
        "token id {id} at position {position} is outside the vocabulary of {vocab_size} ids: \
         decode with the tokenizer that encoded it"
    )]
    UnknownId {
        /// The id.
        id: u32,
        /// Index of the id in those given.
        position: usize,
        /// Ids run from 0 to one below this.
        vocab_size: usize,
    },

    /// The tokenizer is one that a file describes, and this build has none of them.
    #[error(
        "the tokenizer is that of a tokenizer.json, which this build does not read: use one with hearth-data's feature `tokenizers`"
    )]
    NotInBuild,
    /// The tokenizer has no token of this name.
    #[error("the tokenizer has no token {token:?}: give the name of one as its file has it")]
    UnknownToken {
        /// The name.
        token: String,
    },
    /// The tokenizer has no ids for a text.
    #[error("the text has no tokens, {reason}: remove it, or use a tokenizer with a token for what is unknown")]
    Unencodable {
        /// What the tokenizer said.
        reason: String,
    },

    /// A file was to hold a tokenizer.
    #[error(
        "{} holds no usable tokenizer, {reason}: give a Hugging Face tokenizer.json, SentencePiece's tokenizer.model, \
         vocab.json with merges.txt, a tiktoken rank file, or a tokenizer that Hearth saved",
        path.display()
    )]
    TokenizerFile {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong in the file.
        reason: String,
    },
    /// A file was to hold a tokenizer and is something else.
    #[error("{} is {what}: {advice}", path.display())]
    NotTokenizer {
        /// The path as it was given.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What to give in its place.
        advice: &'static str,
    },
    /// There is no file or folder.
    #[error(
        "there is no tokenizer at {}: give the tokenizer.json or another file or folder of a tokenizer; `byte` needs none, \
         and `char` is for data.text",
        path.display()
    )]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A folder was to hold a tokenizer.
    #[error(
        "there is no tokenizer in {}: it needs a tokenizer.json, a tokenizer.model, or vocab.json with merges.txt",
        folder.display()
    )]
    NoTokenizerIn {
        /// The folder as it was given.
        folder: PathBuf,
    },
    /// A tiktoken rank file does not say how a text is cut into words.
    #[error(
        "{} has {ranks} tiktoken ranks, which are not those of GPT-2, GPT-3, GPT-4, GPT-4o or Llama-3: give the pattern \
         that cuts a text into its words (--pattern)",
        path.display()
    )]
    UnknownRanks {
        /// The path as it was given.
        path: PathBuf,
        /// Number of ranks.
        ranks: usize,
    },
    /// The parts of a tokenizer do not fit together.
    #[error("the tokenizer cannot be built, {reason}: restore it as it was saved")]
    BrokenTokenizer {
        /// The part that does not fit.
        reason: String,
    },
    /// No vocabulary of this size can be learned.
    #[error("`vocab_size` is {vocab_size}: give from {smallest} to {largest}")]
    VocabSize {
        /// The size asked for.
        vocab_size: usize,
        /// The bytes and the end of text.
        smallest: usize,
        /// The most ids that a tokenizer may have.
        largest: usize,
    },
}
