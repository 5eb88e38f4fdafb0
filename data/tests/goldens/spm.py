"""Made spm.json: small models of SentencePiece, with ids by the library itself.

    pip install sentencepiece==0.2.3
    python3 spm.py

Each is trained here on a few lines; `model` is the `.model` file in base64.
"""

import base64
import io
import json
import pathlib
import tempfile

import sentencepiece

VERSION = 1

STEMS = ["the", "quick", "brown", "fox", "jump", "lazy", "dog", "mind", "end", "read", "line", "trail"]
WORDS = [[stem + ending for stem in STEMS[at:] for ending in ("", "s", "ing", "ed")] for at in range(len(STEMS))]
CORPUS = [
    "The quick brown fox jumps over the lazy dog, and the dog does not mind.",
    "It's 2024: they'll pay $12,345.67 for 1000 caf\u00e9s; he said \"don't\".",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u4e2d\u6587\u5b57 \u65e5\u672c\u8a9e na\u00efve",
] + [" ".join(words) for words in WORDS] * 3

TEXTS = [
    "the quick brown dog's caf\u00e9 12345",
    "  leading and  two   spaces, trailing  ",
    "the </s>dog <s> <extra>fox",
    "line one\nline two\n\n\tend",
    "\u4e2d\u6587 \u041f\u0440\u0438\u0432\u0435\u0442 \U0001f600\U0001f600 unknown",
    "\u2581the \u2460\u2461 fox",
    "",
    "   ",
]

# U+2460 is read as 1, and a line break as a space.
RULES = "2460\t31\nA\t20\n9\t20\n"

MODELS = {
    "unigram": dict(model_type="unigram", vocab_size=100),
    "unigram_rules": dict(model_type="unigram", vocab_size=100, rules=True, user_defined_symbols=["<extra>"]),
    "unigram_bytes": dict(model_type="unigram", vocab_size=400, byte_fallback=True, character_coverage=0.98,
                          remove_extra_whitespaces=False, add_dummy_prefix=False),
    "bpe": dict(model_type="bpe", vocab_size=100, user_defined_symbols=["<extra>"]),
    "llama": dict(model_type="bpe", vocab_size=400, byte_fallback=True, character_coverage=0.98,
                  remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True),
}


def train(rules=False, **options):
    with tempfile.TemporaryDirectory() as folder:
        if rules:
            path = pathlib.Path(folder, "rules.tsv")
            path.write_text(RULES)
            options["normalization_rule_tsv"] = str(path)
        else:
            options["normalization_rule_name"] = "identity"
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, minloglevel=2, num_threads=1, hard_vocab_limit=False, **options
        )
    return model.getvalue()


def main():
    made = []
    for name, options in MODELS.items():
        model = train(**options)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        cases = [{"text": text, "ids": processor.encode(text)} for text in TEXTS]
        made.append({"name": name, "model": base64.b64encode(model).decode(), "cases": cases})
    out = {"version": VERSION, "made_by": f"spm.py, sentencepiece {sentencepiece.__version__}", "models": made}
    path = pathlib.Path(__file__).with_name("spm.json")
    path.write_text(json.dumps(out, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


main()
