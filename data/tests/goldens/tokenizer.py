"""Made tokenizer.json: hard strings and their ids by tiktoken's gpt2, in ordinary encoding (no special tokens).

    python3 tokenizer.py r50k_base.tiktoken

The rank file is OpenAI's; a copy lies among the assets of the crate `tiktoken-rs`. tiktoken's own splitting pattern
and merge loop are used, nothing of Hearth's.
"""

import json
import pathlib
import sys

import tiktoken
import tiktoken_ext.openai_public as public
from tiktoken.load import load_tiktoken_bpe

VERSION = 1

TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "\n\n\n",
    "\t\tindented\twith\ttabs\n",
    "  two spaces before, three   between, two after  ",
    "line one\r\nline two\r\n\r\nline four",
    "trailing newline\n",
    " \n \n  mixed \t whitespace\u00a0and\u3000wide\u2003spaces ",
    "Hello, world!",
    "I'm sure they've said it's Bob's, we'll see if you'd or can't; DON'T SHOUT: I'M, WE'LL",
    "don\u2019t use typographic \u2018quotes\u2019",
    "0 1 12 123 1234 12345 3.14159 1,000,000 1e-9 0xFF",
    "\u0661\u0662\u0663 \u216b \u00bd \u2075",
    "na\u00efve caf\u00e9 \u00fcber stra\u00dfe \u0153uvre",
    "e\u0301 vs \u00e9, n\u0303, o\u0308\u0304",
    "Z\u0351\u036b\u0343a\u0321\u034al\u0321g\u0321o\u0322",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3002\u3072\u3089\u304c\u306a",
    "\ud55c\uad6d\uc5b4 \ubb38\uc7a5\uc785\ub2c8\ub2e4.",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0401\u043b\u043a\u0430",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\U0001f600\U0001f680\u2764\ufe0f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family, \U0001f3f4\u200d\u2620\ufe0f pirate",
    "\U0001f44d\U0001f3fd \U0001f1eb\U0001f1f7 1\ufe0f\u20e3",
    "\U00020000\U0002a6d6 beyond the first plane \U0010ffff",
    "zero\u200bwidth\u200djoin\ufeffbom\u00adhyphen",
    "\x00\x01\x7f\x80\x9f control",
    "\u0130\u0131\u017f\u1e9e\ufb01\ufb03",
    "a" * 300,
    "ab" * 130 + " " * 70 + "!" * 70,
    "<|endoftext|>",
    "before<|endoftext|>after <|endoftext|>\n",
    "def f(x):\n    if x > 0:\n        return x**2  # square\n\n\n    return -x\n",
    "https://example.org/a_b-c?d=e&f=%20g#h user@example.org",
    "\u2200x\u2208\u211d: \u230ax\u230b \u2264 x, \u222b\u2080\u00b9 x\u00b2 dx = \u2153 \u00b1\u221e",
]


def main():
    gpt2 = tiktoken.Encoding(
        name="gpt2",
        pat_str=public.r50k_pat_str,
        mergeable_ranks=load_tiktoken_bpe(sys.argv[1]),
        special_tokens={"<|endoftext|>": 50256},
        explicit_n_vocab=50257,
    )
    assert len(TEXTS) == 40
    cases = [{"text": text, "ids": gpt2.encode_ordinary(text)} for text in TEXTS]
    out = {"version": VERSION, "made_by": f"tokenizer.py, tiktoken {tiktoken.__version__}", "cases": cases}
    path = pathlib.Path(__file__).with_name("tokenizer.json")
    path.write_text(json.dumps(out, separators=(",", ":")).replace('{"text"', '\n{"text"') + "\n")


main()
