//! Everything that can be wrong with a text, a tokenizer or the settings that cut them into batches.

use std::path::PathBuf;

mod tokenizer;

pub use tokenizer::TokenizerError;

/// What went wrong, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file does not exist.
    #[error("there is no file at {}: check the path, which is relative to the working directory", path.display())]
    Missing {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The path names a directory.
    #[error("{} is a directory: name a file in it", path.display())]
    Directory {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The operating system refused to read the file.
    #[error("{} cannot be read, check its permissions: {cause}", path.display())]
    Unreadable {
        /// The path as it was given.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The file holds bytes that are not UTF-8.
    #[error("{} is not UTF-8 from byte {offset} on: convert it to UTF-8", path.display())]
    NotUtf8 {
        /// The path as it was given.
        path: PathBuf,
        /// Offset of the first byte that is not UTF-8.
        offset: usize,
    },
    /// The file is a text in an encoding of two or four bytes a character.
    #[error("{} is {encoding}, not UTF-8: convert it, as with `iconv -f {encoding} -t UTF-8`", path.display())]
    OtherEncoding {
        /// The path as it was given.
        path: PathBuf,
        /// The encoding's name.
        encoding: &'static str,
    },
    /// The file has no content.
    #[error("{} is empty: give a file with some text in it", path.display())]
    EmptyFile {
        /// The path as it was given.
        path: PathBuf,
    },

    /// A tokenizer, its file, or what it was given.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),

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
    /// A path that is neither a file nor a folder.
    #[cfg(not(target_family = "wasm"))]
    #[error("{} is a pipe or a device, which is read only once: give a file, or pipe it to `-`", path.display())]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A folder of shards among those of text.
    #[cfg(not(target_family = "wasm"))]
    #[error("{} is a folder that `hearth prepare` wrote: name the folder with the text", path.display())]
    PreparedInput {
        /// The folder.
        path: PathBuf,
    },
    /// A file is faulty, and faults were not to be skipped.
    #[cfg(not(target_family = "wasm"))]
    #[error("{0} (`--faults skip` leaves out what is faulty, and counts it)")]
    Faulty(crate::FileFault),

    /// A token id does not fit the signed 32-bit integers of a batch.
    #[error(
        "token id {id} at position {position} is above {}, the largest that a batch can hold: \
         use a smaller vocabulary",
        i32::MAX
    )]
    IdTooLarge {
        /// The id.
        id: u32,
        /// Index of the id in the stream.
        position: usize,
    },
    /// A token id is outside of the vocabulary of the model that is to be trained.
    #[error(
        "token id {id} at position {position} is outside the model's vocabulary of {vocab_size} ids: use the tokenizer \
         that the model is for, or a larger `vocab_size`"
    )]
    IdBeyondVocabulary {
        /// The id.
        id: u32,
        /// Index of the id in the stream.
        position: usize,
        /// Ids run from 0 to one below this.
        vocab_size: usize,
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
        "the text has {tokens} tokens but one window needs `context_length` + 1 = {needed}: use a longer text or a smaller \
         `context_length`"
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
    /// A mask does not have an entry for each token.
    #[error("the mask of what is trained has {mask} entries for {tokens} tokens: give one for each")]
    MaskLength {
        /// Tokens in the stream.
        tokens: usize,
        /// Entries in the mask.
        mask: usize,
    },
    /// Pairs of an odd number of documents.
    #[error("{documents} documents are no pairs: give a chosen and a rejected one of each")]
    OddPairs {
        /// Documents in the stream.
        documents: u64,
    },
    /// A stream that does not hold pairs was to give some.
    #[error(
        "the tokens are no pairs of preferences: prepare rows with `chosen` and `rejected` by `hearth prepare --chat`"
    )]
    NoPairs,
    /// Pairs of preferences were to be learned as text.
    #[error(
        "the tokens are pairs of preferences, of which one is rejected: prepare other rows, or train on them as pairs"
    )]
    PairsAsText,
    /// Streams of pairs and others in one mixture.
    #[error(
        "one stream of the mixture holds pairs of preferences, another does not: train on them one after the other"
    )]
    MixedPairs,
    /// No document has a target that is trained.
    #[error(
        "none of the {documents} documents has a token that is trained within a row: give a larger `context_length`, or \
         prepare them again from rows that have some"
    )]
    NothingTrained {
        /// Documents in the stream.
        documents: u64,
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
    /// The operating system refused to write the file.
    #[error("{} cannot be written, check the space left on the disk and the permissions: {cause}", path.display())]
    Unwritable {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },

    /// Token files were asked for without naming any.
    #[error("no token files are given: name at least one shard or `.bin` file")]
    NoTokenFiles,
    /// The file is in none of the formats that tokens are read from.
    #[error(
        "{} is not a token file: give a shard that `prepare` wrote, or a `.bin` file of nanoGPT or llm.c",
        path.display()
    )]
    NotTokens {
        /// The file.
        path: PathBuf,
    },
    /// The file ends inside of its header.
    #[error(
        "{} has {bytes} bytes but its header alone takes {needed}: it was cut short, prepare or download it again",
        path.display()
    )]
    HeaderCut {
        /// The file.
        path: PathBuf,
        /// Size of the file, in bytes.
        bytes: usize,
        /// The size of a header.
        needed: usize,
    },
    /// The format's version is another than the one known.
    #[error(
        "{} is of format version {version} but only {known} can be read: prepare it again with this version",
        path.display()
    )]
    ShardVersion {
        /// The file.
        path: PathBuf,
        /// The version in its header.
        version: u32,
        /// The versions that can be read.
        known: &'static str,
    },
    /// A token takes neither 2 nor 4 bytes.
    #[error("the header of {} gives tokens a width of {width} bytes, not 2 or 4: prepare it again", path.display())]
    TokenWidth {
        /// The file.
        path: PathBuf,
        /// The width in its header.
        width: u32,
    },
    /// The counts in the header do not go with the file's size.
    #[error(
        "{} has {bytes} bytes but its {tokens} tokens and {documents} document ends take {expected}: \
         it was cut short or changed, prepare or download it again",
        path.display()
    )]
    FileLength {
        /// The file.
        path: PathBuf,
        /// Size of the file, in bytes.
        bytes: usize,
        /// The size that its header asks for.
        expected: u128,
        /// The number of tokens in its header.
        tokens: u64,
        /// The number of document ends in its header.
        documents: u64,
    },
    /// The file has nothing to train on.
    #[error("{} has no tokens: leave it out, or prepare it again", path.display())]
    NoTokens {
        /// The file.
        path: PathBuf,
    },
    /// The vocabulary is empty or too large for the width of a token.
    #[error(
        "the header of {} gives a vocabulary of {vocab_size} ids, but its tokens can have 1 to {most}: prepare it again",
        path.display()
    )]
    FileVocabulary {
        /// The file.
        path: PathBuf,
        /// The vocabulary size in its header.
        vocab_size: u64,
        /// The most that the width allows.
        most: u64,
    },
    /// The header is not as it was written.
    #[error("the header of {} does not have its checksum: it was changed, prepare it again", path.display())]
    HeaderChanged {
        /// The file.
        path: PathBuf,
    },
    /// 16-bit tokens in an odd number of bytes.
    #[error(
        "{} has {bytes} bytes, which is no whole number of 16-bit tokens: it was cut short, or is not nanoGPT's",
        path.display()
    )]
    HalfToken {
        /// The file.
        path: PathBuf,
        /// Size of the file, in bytes.
        bytes: usize,
    },
    /// The tokens were made by another tokenizer than the others, or than the run's.
    #[error(
        "{} was made with the tokenizer {found}..., not {expected}...: prepare it again with the run's tokenizer",
        path.display()
    )]
    OtherTokenizer {
        /// The file.
        path: PathBuf,
        /// Start of the hash in its header, in hexadecimal digits.
        found: String,
        /// Start of the hash that was expected.
        expected: String,
    },
    /// The content is not as it was written.
    #[error("the tokens, document ends or mask of {} do not have the hash in its header: prepare it again", path.display())]
    ContentChanged {
        /// The file.
        path: PathBuf,
    },
    /// Document ends in a file fall, or lie past the tokens.
    #[error("document end {document} of {} is {end}, out of order or past the tokens: prepare it again", path.display())]
    FileDocumentEnds {
        /// The file.
        path: PathBuf,
        /// The index of the end in its file.
        document: usize,
        /// Value of the end.
        end: u64,
    },
    /// A token id in a file lies outside the vocabulary.
    #[error(
        "token {position} of {} has the id {id}, outside the vocabulary of {vocab_size}: \
         use the tokenizer and the model's `vocab_size` that belong to the file",
        path.display()
    )]
    IdOutsideVocabulary {
        /// The file.
        path: PathBuf,
        /// The index of the token in its file.
        position: u64,
        /// The id.
        id: u32,
        /// Ids run from 0 to one below this.
        vocab_size: u64,
    },
    /// Tokens were asked for that the files do not have.
    #[error("{wanted} tokens from {start} on reach past the {tokens} tokens of the files: use the files of this run")]
    PastTheEnd {
        /// Position of the first.
        start: u64,
        /// How many.
        wanted: usize,
        /// Tokens in all files.
        tokens: u64,
    },
    /// A document was asked for that the files do not have.
    #[error("there is no document {document} among the {documents} of the files: use the files of this run")]
    NoSuchDocument {
        /// Number of the document.
        document: u64,
        /// Documents in all files.
        documents: u64,
    },

    /// A shard of no tokens was asked for.
    #[error("`shard_tokens` is 0: give at least 1")]
    ZeroShardTokens,
    /// The corpus has nothing to prepare.
    #[error("there is no text in the corpus (files: {files}): check that they are the right ones, and not empty")]
    NoDocuments {
        /// How many files there are.
        files: usize,
    },
    /// Every row was left out.
    #[cfg(not(target_family = "wasm"))]
    #[error(
        "no row is left, {left_out} are left out, the first of them {first}: correct the rows, or what they are read with"
    )]
    NoRows {
        /// How many there were.
        left_out: u64,
        /// What is wrong with the first.
        first: String,
    },
    /// Preferences among other rows.
    #[cfg(not(target_family = "wasm"))]
    #[error(
        "{}, {place}: this row is {}, unlike those before it: prepare preferences and other rows into folders of their own",
        path.display(),
        if *is_pair { "a preference" } else { "no preference" }
    )]
    MixedRows {
        /// The file.
        path: PathBuf,
        /// The row's place in it.
        place: crate::FaultPlace,
        /// Whether the row is a preference.
        is_pair: bool,
    },
    /// A chat template that cannot be used, or is missing.
    #[cfg(feature = "tokenizers")]
    #[error(transparent)]
    Chat(#[from] crate::chat::ChatError),
    /// A folder was begun with other settings or another corpus.
    #[error(
        "{} was begun with `{field}` = {was}, now it is {now}: use the settings and files that it was begun with, or \
         another folder",
        path.display()
    )]
    PreparedOtherwise {
        /// The file that says how the folder was begun.
        path: PathBuf,
        /// The setting.
        field: String,
        /// The setting's value then.
        was: String,
        /// The setting's value now.
        now: String,
    },
    /// Another process prepares the folder.
    #[error("another process prepares {}: wait until it has ended, or give another folder", path.display())]
    FolderBusy {
        /// The folder.
        path: PathBuf,
    },
    /// A folder was begun, and its text cannot be read from its beginning again.
    #[error(
        "{} has shards already, and what comes from standard input cannot be gone on with: delete the folder, or give \
         another",
        path.display()
    )]
    NotRepeatable {
        /// The folder.
        path: PathBuf,
    },
    /// The file that says how far a folder is prepared is damaged.
    #[error("{} cannot be understood, delete its folder and prepare it again: {cause}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// The shards of a prepared folder are not those that were counted.
    #[error(
        "{} counts {documents} documents and {tokens} tokens in the {split} shards, which hold {found} tokens: \
         delete the folder and prepare it again",
        path.display()
    )]
    CountedOtherwise {
        /// The file with the counts.
        path: PathBuf,
        /// The part.
        split: &'static str,
        /// Documents, as counted.
        documents: u64,
        /// Tokens, as counted.
        tokens: u64,
        /// Tokens in the shards.
        found: u64,
    },
    /// There are shards in a folder that is to be prepared.
    #[error("{} is there but no `prepare.json` beside it: give an empty folder", path.display())]
    FolderInUse {
        /// One of the shards.
        path: PathBuf,
    },
    /// The folder is not prepared to the end.
    #[error("{} is not finished: run `prepare` again with the same settings, it goes on where it was", path.display())]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// A part of a prepared corpus has no documents.
    #[error("{} has no {split} shards: prepare it again with another `validation_fraction`", path.display())]
    NoShards {
        /// The folder.
        path: PathBuf,
        /// The part.
        split: &'static str,
    },
}
