"""Made families.json: small tokenizers of every kind, with ids and texts by Hugging Face's `tokenizers`.

    pip install tokenizers==0.23.3
    python3 families.py

Each is trained here on a few lines. `ids` are those of `encode(text, add_special_tokens=False)` with special tokens as
text (`encode_special_tokens`), `special_ids` with special tokens as ids; `decoded` is the text of the latter.
"""

import json
import pathlib

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VERSION = 1

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "It's 2024: they'll pay $12,345.67 for 1000 caf\u00e9s; he said \"don't\".",
    "def f(x):\n    return x + 1\n\n\ndef g(y):\n    return f(y) * 2\n",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u4e2d\u6587\u5b57 \u65e5\u672c\u8a9e \U0001f600\U0001f600 na\u00efve e\u0301",
] * 3

TEXTS = [
    "the quick brown dog's caf\u00e9 cafe\u0301 12345 1000",
    " leading and  two   spaces, trailing ",
    "<|end|>fox<|end|> [SEP]the </s>dog",
    "def f(x):\n    return x\n\n",
    "\u4e2d\u6587 \u041f\u0440\u0438\u0432\u0435\u0442 \U0001f600 \ufb01ne \u2460 \u0130",
    "They'll DON'T stop\u2014never!\tTAB\r\nnew",
    "fox   [MASK] jumps<mask>over",
    "",
    " ",
]

NANOCHAT = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
TWO_DIGITS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = pre_tokenizers.ByteLevel.alphabet()


def bpe(pre_tokenizer, normalizer=None, decoder=None, specials=("<|end|>",), byte_level=True, size=300, model=None, **options):
    tokenizer = Tokenizer(model or models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoder or decoders.ByteLevel()
    alphabet = BYTES if byte_level else []
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False, **options
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def split(pattern):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])


def roberta():
    tokenizer = bpe(pre_tokenizers.ByteLevel(), specials=["<s>", "</s>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
    return tokenizer


def spaces():
    tokenizer = bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC())
    tokenizer.add_tokens([AddedToken(" " * count, normalized=True) for count in (4, 3, 2)])
    return tokenizer


def llama2():
    spelled = [f"<0x{byte:02X}>" for byte in range(256)]
    model = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<unk>", "<s>", "</s>", *spelled], limit_alphabet=40, show_progress=False,
        max_token_length=8,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    # The bytes are no special tokens but the model's.
    parts = json.loads(tokenizer.to_str())
    parts["added_tokens"] = parts["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def gemma():
    """Its vocabulary has the tabulator in the place of the byte 9."""
    parts = json.loads(llama2().to_str())
    vocabulary = parts["model"]["vocab"]
    vocabulary["\t"] = vocabulary.pop("<0x09>")
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def metaspace_bpe(scheme, cut, normalized=False, before=None):
    pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=cut)
    if before:
        pre_tokenizer = sequence(before, pre_tokenizer)
    decoder = decoders.Metaspace(prepend_scheme=scheme)
    model = models.BPE(unk_token="<unk>")
    tokenizer = bpe(pre_tokenizer, None, decoder, ["<unk>", "</s>"], False, 160, model)
    if normalized:
        tokenizer.add_tokens([AddedToken("fox", normalized=True), AddedToken("dog", normalized=False)])
    return tokenizer


def unigram(pre_tokenizer, normalizer, decoder):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def t5():
    normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    return unigram(pre_tokenizers.Metaspace(), normalizer, decoders.Metaspace())


def albert():
    normalizer = normalizers.Sequence(
        [normalizers.Replace("\"", "''"), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()]
    )
    pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return unigram(pre_tokenizer, normalizer, decoders.Metaspace())


def bert(lowercase):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=150, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def words(pre_tokenizer, normalizer=None):
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.WordLevelTrainer(vocab_size=90, special_tokens=["[UNK]", "[SEP]"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def clip():
    normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    model = models.BPE(unk_token="<|end|>", end_of_word_suffix="</w>")
    decoder = decoders.BPEDecoder(suffix="</w>")
    return bpe(
        pre_tokenizers.Whitespace(), normalizer, decoder, byte_level=False, size=150, model=model, end_of_word_suffix="</w>"
    )


def continued():
    model = models.BPE(unk_token="<|end|>", continuing_subword_prefix="##")
    decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return bpe(
        pre_tokenizers.Whitespace(), None, decoder, byte_level=False, size=150, model=model, continuing_subword_prefix="##"
    )


def sequence(*members):
    return pre_tokenizers.Sequence(list(members))


def families():
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False)
    yield "nanochat", bpe(split(NANOCHAT))
    yield "two_digits", bpe(split(TWO_DIGITS))
    yield "pythia", spaces()
    yield "roberta", roberta()
    yield "smollm", bpe(sequence(pre_tokenizers.Digits(individual_digits=True), plain))
    yield "nested", bpe(sequence(sequence(pre_tokenizers.Punctuation("contiguous")), pre_tokenizers.Digits(), plain))
    yield "llama2", llama2()
    yield "gemma", gemma()
    yield "mistral", metaspace_bpe("first", False)
    yield "metaspace_first", metaspace_bpe("first", True, normalized=True)
    yield "metaspace_always", metaspace_bpe("always", True, normalized=True)
    yield "t5", t5()
    yield "albert", albert()
    yield "bert", bert(True)
    yield "bert_cased", bert(False)
    yield "words", words(pre_tokenizers.Whitespace())
    yield "delimited", words(pre_tokenizers.CharDelimiterSplit("_"), normalizers.Sequence(
        [normalizers.Strip(), normalizers.NFD(), normalizers.Replace(" ", "_")]))
    yield "scripts", words(sequence(pre_tokenizers.UnicodeScripts(), pre_tokenizers.WhitespaceSplit()))
    yield "falcon", bpe(sequence(
        pre_tokenizers.Punctuation("contiguous"), plain, pre_tokenizers.Digits(),
        pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")))
    yield "late_prefix", bpe(sequence(pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel()))
    yield "late_metaspace", unigram(
        sequence(pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace()), normalizers.NFKC(), decoders.Metaspace())
    yield "late_first", metaspace_bpe("first", True, before=pre_tokenizers.Digits(True))
    yield "byte_words", words(pre_tokenizers.ByteLevel())
    yield "clip", clip()
    yield "continued", continued()


def cases(tokenizer):
    for text in TEXTS:
        tokenizer.encode_special_tokens = True
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        special_ids = tokenizer.encode(text, add_special_tokens=False).ids
        decoded = tokenizer.decode(special_ids, skip_special_tokens=False)
        yield {"text": text, "ids": ids, "special_ids": special_ids, "decoded": decoded}


def main():
    made = [{"name": name, "tokenizer": json.loads(it.to_str()), "cases": list(cases(it))} for name, it in families()]
    out = {"version": VERSION, "made_by": f"families.py, tokenizers {tokenizers.__version__}", "families": made}
    path = pathlib.Path(__file__).with_name("families.json")
    text = json.dumps(out, separators=(",", ":"))
    path.write_text(text.replace('{"name"', '\n{"name"') + "\n")


main()
