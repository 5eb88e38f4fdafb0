"""Makes files.json: files as Python programs write them, and the documents that Python reads out of each.

    python3 files.py

Files by json, csv, gzip, lzma, bz2 and pyarrow; documents by json and csv, or those that were written.
"""

import base64
import bz2
import csv
import io
import json
import lzma
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

VERSION = 1

# One object a line; what json.loads reads in `text` of each is the file's documents.
JSON_LINES = {
    "not_a_number.jsonl": '{"text": "one", "loss": NaN}\n{"loss": [NaN, {"x": NaN}], "text": "two"}\n',
    "infinities.jsonl": '{"low": -Infinity, "text": "NaN \\"Infinity", "high": Infinity}\n{"text":"\\\\","a":NaN}\n',
    "half_pairs.jsonl": '{"text": "cut \\ud83d"}\n{"text": "\\ude00 cut"}\n{"text": "\\ud83dx\\ud83d\\ude00\\ud83d\\ud83d\\n"}\n',
    "half_pair_in_a_key.jsonl": '{"\\udc00": 1, "text": "one"}\n{"text": "two", "\\ud83d\\ude00": 2}\n',
    "pairs.jsonl": '{"text": "\\ud83d\\ude00 \\u00e9 \\uD55C"}\n{"text": "\U0001f600\\u2028\u2028"}\n',
    "twice.jsonl": '{"text": "first", "text": "last"}\n{"text": 1, "n": 0, "t\\u0065xt": "escaped"}\n',
    "numbers.jsonl": '{"n": 1e999, "text": "one", "m": -1E-400}\n{"n": ' + "9" * 400 + ', "text": "two"}\n',
    "deep.jsonl": '{"x": ' + "[" * 300 + "]" * 300 + ', "text": "one"}\n{"x": ' + '{"a":' * 200 + "0" + "}" * 200 + ', "text": "two"}\n',
    "nul.jsonl": '{"text": "a\\u0000b"}\n{"text": "\\u0000"}\n',
    "mark.jsonl": '\ufeff{"text": "one"}\r\n\r\n{"text": "\ufefftwo"}\r\n',
}

# Arrays of objects.
JSON_ARRAYS = {
    "dense.json": '[{"text":"one"},{"text":"[{\\"two\\", ]}"},{"text":"\\\\"}]',
    "pretty.json": json.dumps([{"text": "one", "meta": {"tags": ["a", "b"]}}, {"text": "two\n"}], indent=2) + "\n",
    "mark.json": '\ufeff [ {"text": "NaN", "x": NaN} , {"text": "\\ud800"} ] ',
    "one.json": '[{"text": "one"}]',
    "none.json": "[ ]\n",
}

CSV = {
    "quoted.csv": 'id,text\n1,"one, ""two"""\n2,"three\nfour"\n3,\n4,five\n',
    "windows.csv": "\ufefftext,id\r\none,1\r\n\"two\r\nthree\",2\r\n",
    "tabs.tsv": 'id\ttext\n1\tone, "two"\n2\t"three\tfour"\n',
    "one_column.csv": "text\none\ntwo",
}

ROWS = ["one", "two é", "three\n"]


def without_halves(text):
    """Half a surrogate pair is no character that UTF-8 has: U+FFFD stands for it."""
    return "".join("\ufffd" if 0xD800 <= ord(character) < 0xE000 else character for character in text)


def of_lines(lines):
    return [without_halves(json.loads(line)["text"]) for line in lines.lstrip("\ufeff").splitlines() if line]


def of_csv(name, text):
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter="\t" if name.endswith(".tsv") else ",")
    return [row["text"] for row in rows if row["text"]]


def parquet(column, **options):
    out = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(range(len(column))), "text": column}), out, **options)
    return out.getvalue()


def files():
    for name, text in JSON_LINES.items():
        # splitlines would part a line at U+2028, which JSON has in strings.
        lines = text.replace("\u2028", "\\u2028")
        yield name, text.encode("utf-8"), of_lines(lines), None
    for name, text in JSON_ARRAYS.items():
        documents = [without_halves(it["text"]) for it in json.loads(text.lstrip("\ufeff"))]
        yield name, text.encode("utf-8"), documents, None
    for name, text in CSV.items():
        yield name, text.encode("utf-8"), of_csv(name, text), None
    lines = "".join(json.dumps({"text": row}) + "\n" for row in ROWS).encode()
    yield "lines.jsonl.xz", lzma.compress(lines), ROWS, None
    yield "joined.jsonl.xz", lzma.compress(lines) + lzma.compress(lines), ROWS + ROWS, None
    yield "lines.jsonl.bz2", bz2.compress(lines), ROWS, None
    yield "joined.jsonl.bz2", bz2.compress(lines) + bz2.compress(lines), ROWS + ROWS, None
    yield "array.json.bz2", bz2.compress(b'[{"text": "one"}]'), ["one"], None
    yield "rows.csv.xz", lzma.compress(b"text\none\n"), ["one"], None
    for compression in ["brotli", "lz4", "zstd"]:
        yield f"{compression}.parquet", parquet(pa.array(ROWS), compression=compression), ROWS, None
    yield "large.parquet", parquet(pa.array(ROWS, pa.large_string()), use_dictionary=False), ROWS, None
    yield "view.parquet", parquet(pa.array(ROWS, pa.string_view()), data_page_version="2.0"), ROWS, None
    for encoding in ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]:
        for rows in [ROWS, [f"row {number} of many"[: 5 + number % 14] for number in range(300)]]:
            for version in ["1.0", "2.0"]:
                options = {"use_dictionary": False, "column_encoding": {"id": "PLAIN", "text": encoding}, "data_page_version": version}
                yield f"{encoding.lower()}_{version}_{len(rows)}.parquet", parquet(pa.array(rows), **options), rows, None
    yield "lists.parquet", parquet(pa.array([[row] for row in ROWS])), None, '"text" is a list, not of strings'
    yield "structures.parquet", parquet(pa.array([{"a": row} for row in ROWS])), None, 'columns of strings: "text.a"'
    yield "nulls.parquet", parquet(pa.nulls(3)), None, "the file has no column of strings"
    yield "numbers.parquet", parquet(pa.array([1, 2, 3])), None, 'the column "text" holds no strings'


def main():
    cases = []
    for name, content, documents, refused in files():
        case = {"name": name, "base64": base64.b64encode(content).decode(), "documents": documents, "refused": refused}
        cases.append({key: value for key, value in case.items() if value is not None})
    out = {"version": VERSION, "made_by": f"files.py, pyarrow {pa.__version__}", "cases": cases}
    path = pathlib.Path(__file__).with_name("files.json")
    path.write_text(json.dumps(out, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


main()
