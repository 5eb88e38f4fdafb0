"""rows.parquet and rows_pages.parquet: rows of chats as pyarrow writes them, and in rows.json what is in them.

    pip install pyarrow==26.0.1 && python data/tests/goldens/rows.py
"""
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent

call = pa.struct([("function", pa.struct([("name", pa.string()), ("arguments", pa.string())]))])
message = pa.struct([("role", pa.string()), ("content", pa.large_string()), ("tool_calls", pa.list_(call)), ("weight", pa.int64())])
schema = pa.schema([("id", pa.int32()), ("messages", pa.list_(message)), ("prompt", pa.string()), ("tools", pa.list_(pa.string()))])


def said(role, content, calls=None, weight=None):
    calls = calls and [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return {"role": role, "content": content, "tool_calls": calls, "weight": weight}


rows = [
    {"id": 0, "messages": [said("user", "Hé \"you\"\n"), said("assistant", "Hi", weight=1)], "prompt": None, "tools": None},
    {"id": 1, "messages": [], "prompt": "", "tools": []},
    {"id": 2, "messages": None, "prompt": "p", "tools": ["a", None, "b"]},
    {
        "id": 3,
        "messages": [
            said("user", "x" * 300),
            said("assistant", None, [("f", '{"b": 1, "a": [2]}'), ("g", "{}")]),
            said("tool", "7", []),
            said("assistant", "seven", weight=-3),
        ],
        "prompt": "again",
        "tools": ["a"],
    },
    {"id": 4, "messages": [said("user", str(n)) for n in range(40)], "prompt": "p", "tools": None},
] * 3

table = pa.Table.from_pylist(rows, schema=schema)
pq.write_table(table, HERE / "rows.parquet")
pq.write_table(
    table, HERE / "rows_pages.parquet", data_page_version="2.0", data_page_size=64, write_batch_size=2, row_group_size=4,
    compression="zstd", use_dictionary=["prompt"],
)
of_chats = [{name: value for name, value in row.items() if name != "id"} for row in rows[:5]]
(HERE / "rows.json").write_text(json.dumps(of_chats, ensure_ascii=False) + "\n")
