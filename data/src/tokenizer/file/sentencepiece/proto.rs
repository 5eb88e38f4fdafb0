//! What is read of SentencePiece's `sentencepiece_model.proto`.

/// `trainer_spec.model_type`.
pub(super) const UNIGRAM: i32 = 1;
pub(super) const BPE: i32 = 2;

/// What stands for a space in a token, U+2581.
pub(super) const SPACE: &str = "\u{2581}";

#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::tokenizer::file) struct Model {
    #[prost(message, repeated, tag = "1")]
    pub(super) pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    pub(super) trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    pub(super) normalizer: Option<Normalizer>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Piece {
    #[prost(string, optional, tag = "1")]
    text: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3", default = "1")]
    number_of_kind: Option<i32>,
}

#[cfg(not(target_family = "wasm"))]
impl Model {
    /// The BPE model of these tokens, scores and kinds, by the same numbers, as GGUF files have them.
    pub(in crate::tokenizer::file) fn of_tokens(
        tokens: &[String],
        scores: &[f64],
        kinds: &[u64],
        prefix: bool,
    ) -> Self {
        let pieces = tokens.iter().zip(kinds).enumerate().map(|(at, (token, kind))| Piece {
            text: Some(token.clone()),
            score: Some(scores.get(at).map_or(0.0, |score| *score as f32)),
            number_of_kind: i32::try_from(*kind).ok(),
        });
        Self {
            pieces: pieces.collect(),
            trainer: Some(Trainer {
                model_type: Some(BPE),
                treat_whitespace_as_suffix: None,
                byte_fallback: Some(true),
            }),
            normalizer: Some(Normalizer {
                precompiled_charsmap: None,
                add_dummy_prefix: Some(prefix),
                remove_extra_whitespaces: Some(false),
            }),
        }
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Trainer {
    #[prost(int32, optional, tag = "3", default = "1")]
    model_type: Option<i32>,
    #[prost(bool, optional, tag = "24")]
    treat_whitespace_as_suffix: Option<bool>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3", default = "true")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4", default = "true")]
    remove_extra_whitespaces: Option<bool>,
}

impl Piece {
    /// Whether no text stands for it, though it has a name.
    pub(super) fn is_special(&self) -> bool {
        matches!(self.kind(), Kind::Unknown | Kind::Control)
    }

    pub(super) fn kind(&self) -> Kind {
        match self.number_of_kind() {
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => Kind::Normal,
        }
    }
}
