//! Everything that can be wrong with a text, a tokenizer or the settings that cut them into batches.

use std::path::PathBuf;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The text file does not exist.
    #[error("there is no text file at {}: check the path, which is relative to the working directory", path.display())]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The path names a directory.
    #[error("{} is a directory: name a text file in it", path.display())]
    Directory {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The operating system refused to read the file.
    #[error("{} cannot be read, check its permissions: {source}", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file holds bytes that are not UTF-8.
    #[error("{} is not UTF-8 from byte {offset} on: convert it to UTF-8", path.display())]
    NotUtf8 {
        /// The path as it was given.
        path: PathBuf,
        /// Offset of the first byte that is not UTF-8.
        offset: usize,
    },
    /// The file has no content.
    #[error("{} is empty: give a file with some text in it", path.display())]
    EmptyFile {
        /// The path as it was given.
        path: PathBuf,
    },

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
        /// Its index in the ids given.
        position: usize,
        /// Ids run from 0 to one below this.
        vocab_size: usize,
    },

    /// A file was to hold a tokenizer.
    #[error(
        "{} holds no usable tokenizer, {reason}: give a Hugging Face tokenizer.json with a BPE model, a tokenizer \
         that Hearth saved, or a tiktoken rank file",
        path.display()
    )]
    TokenizerFile {
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong in the file.
        reason: String,
    },
    /// The parts of a BPE tokenizer do not fit together.
    #[error("the BPE tokenizer cannot be built, {reason}: restore it as it was saved")]
    BrokenBpe {
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

    /// There is nothing to read.
    #[cfg(not(target_family = "wasm"))]
    #[error("there are no files in {paths:?}: name files, or folders that hold some")]
    NoFiles {
        /// The paths as they were given.
        paths: Vec<PathBuf>,
    },
    /// A Parquet file inside of another compression.
    #[cfg(not(target_family = "wasm"))]
    #[error("{} is Parquet in another compression, which cannot be streamed: decompress it", path.display())]
    WrappedParquet {
        /// The file.
        path: PathBuf,
    },
    /// A file is faulty, and faults were not to be skipped.
    #[cfg(not(target_family = "wasm"))]
    #[error("{0}: correct the file, or have faults skipped")]
    Faulty(crate::Fault),

    /// A token id does not fit the signed 32-bit integers of a batch.
    #[error(
        "token id {id} at position {position} is above {}, the largest that a batch can hold: \
         use a smaller vocabulary",
        i32::MAX
    )]
    IdTooLarge {
        /// The id.
        id: u32,
        /// Its index in the stream.
        position: usize,
    },
    /// The validation part is not a fraction.
    #[error("`validation_fraction` is {fraction}: give a number from 0 up to, but not including, 1")]
    ValidationFraction {
        /// The value given.
        fraction: f64,
    },
    /// A window of no tokens.
    #[error("`context_length` is 0: give at least 1")]
    ZeroContext,
    /// The stream is shorter than one window.
    #[error(
        "the text has {tokens} tokens but one window needs `context_length` + 1 = {needed}: \
         use a longer text, a smaller `context_length`, or, for a validation part, a larger `validation_fraction`"
    )]
    TooShort {
        /// Tokens in the stream.
        tokens: u64,
        /// Tokens in a window.
        needed: u64,
    },

    /// The ends of documents do not divide the stream.
    #[error(
        "`document_ends` must never fall and must end with the number of tokens, {tokens}: give each document's end"
    )]
    DocumentEnds {
        /// Tokens in the stream.
        tokens: u64,
    },
    /// No document has a target.
    #[error("none of the {documents} documents has two tokens: give longer documents, or check how they are separated")]
    NothingToPack {
        /// Documents in the stream.
        documents: u64,
    },

    /// A mixture of no streams.
    #[error("a mixture needs at least one stream: name one with a weight")]
    EmptyMixture,
    /// A stream's share of a mixture cannot be kept.
    #[error(
        "the weight of stream {stream} of the mixture is {weight}: give a positive number of at least 1/65536 of \
         the weights' sum, or leave the stream out"
    )]
    MixtureWeight {
        /// Which stream, from 0.
        stream: usize,
        /// The weight given.
        weight: f64,
    },
    /// Streams of a mixture have rows of different lengths.
    #[error("one stream of the mixture has `context_length` {first}, another {other}: give all the same")]
    MixedContext {
        /// `T` of the first stream.
        first: usize,
        /// `T` of the first one that differs.
        other: usize,
    },

    /// A replica's number is not among those of the world.
    #[error("`rank` is {rank} in a world of {world}: ranks run from 0 to one below `world`")]
    Rank {
        /// The number given.
        rank: usize,
        /// Number of replicas.
        world: usize,
    },
    /// Some replica would have nothing to do.
    #[error("a global batch of {global_rows} rows leaves some of {world} replicas without a row: enlarge the batch")]
    TooFewRows {
        /// Rows of a global batch.
        global_rows: usize,
        /// Number of replicas.
        world: usize,
    },
    /// A micro-batch of no rows.
    #[error("`micro_batch` is 0: give at least 1")]
    ZeroMicroBatch,
}
