"""Makes dashboard.svg: the screen of a real run, as a terminal shows it.

    python3 docs/dashboard.py path/to/hearth

Trains examples/shakespeare for some seconds with --tui in tmux, takes its screen with its colours, and ends the run.
"""

import html
import pathlib
import re
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 104, 30
SECONDS = 22
CELL, LINE, SIZE = 7.8, 17, 13
# The eight colours of a terminal and their bright forms, on a dark ground.
COLOURS = ["#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9"]
BRIGHT = ["#7b8494", "#ff7b86", "#b5e890", "#ffd98a", "#82c4ff", "#e19af5", "#74d7e3", "#ffffff"]
GROUND, TEXT = "#14181f", "#d8dee9"


def tmux(*arguments):
    return subprocess.run(["tmux", "-L", "hearth", *arguments], check=True, capture_output=True, text=True).stdout


def screen(hearth):
    root = pathlib.Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as folder:
        text = (root / "examples/shakespeare/input.txt").read_text()
        (pathlib.Path(folder) / "input.txt").write_text(text)
        subprocess.run([hearth, "init", "--text", "input.txt"], cwd=folder, check=True, capture_output=True)
        settings = "--set evaluation.every=50 --set evaluation.batches=20 --set sample.every=200 --set checkpoint.every=200"
        run = f"{hearth} train run.toml --tui --device cpu --steps 1200 {settings}"
        tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), "-c", folder, run)
        time.sleep(SECONDS)
        captured = tmux("capture-pane", "-e", "-p")
        tmux("send-keys", "Q")
        time.sleep(2)
        return captured


def spans(line):
    """The pieces of a line, each with its colour and whether it is bold or dim."""
    colour, bold, dim = TEXT, False, False
    for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not piece.startswith("\x1b["):
            if piece:
                yield piece, colour, bold, dim
            continue
        codes = [int(code or 0) for code in piece[2:-1].split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                colour, bold, dim = TEXT, False, False
            elif code == 1:
                bold = True
            elif code == 2:
                dim = True
            elif 30 <= code < 38:
                colour = COLOURS[code - 30]
            elif 90 <= code < 98:
                colour = BRIGHT[code - 90]
            elif code == 39:
                colour = TEXT
            elif code in (38, 48):
                del codes[: 2 if codes[:1] == [5] else 4]


def svg(captured):
    width, height = COLUMNS * CELL + 24, ROWS * LINE + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">',
        f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>',
        f'<g font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="{SIZE}" xml:space="preserve">',
    ]
    for row, line in enumerate(captured.splitlines()[:ROWS]):
        column = 0
        for text, colour, bold, dim in spans(line):
            if text.strip():
                style = (' font-weight="bold"' if bold else "") + (' opacity="0.6"' if dim else "")
                # Its length in cells, so that characters of another font stand where a terminal has them.
                place = f'x="{12 + column * CELL:.1f}" y="{12 + (row + 1) * LINE - 4}" textLength="{len(text) * CELL:.1f}"'
                out.append(f'<text {place} fill="{colour}"{style}>{html.escape(text)}</text>')
            column += len(text)
    return "\n".join([*out, "</g>", "</svg>"]) + "\n"


if __name__ == "__main__":
    hearth = str(pathlib.Path(sys.argv[1]).resolve())
    pathlib.Path(__file__).with_name("dashboard.svg").write_text(svg(screen(hearth)))
