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
CELL, LINE = 7.8, 17
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


class Style:
    """Colour and weight, which go on from one line to the next."""

    def __init__(self):
        self.colour, self.bold, self.dim = TEXT, False, False

    def take(self, codes):
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in (1, 2):
                self.bold, self.dim = self.bold or code == 1, self.dim or code == 2
            elif 30 <= code < 38 or 90 <= code < 98:
                self.colour = COLOURS[code - 30] if code < 38 else BRIGHT[code - 90]
            elif code == 39:
                self.colour = TEXT
            elif code == 38 and codes[:1] == [5]:
                self.colour = (COLOURS + BRIGHT)[codes[1]]
                del codes[:2]

    def attributes(self):
        weight = ' font-weight="bold"' if self.bold else ""
        return f'fill="{self.colour}"{weight}' + (' opacity="0.6"' if self.dim else "")


def svg(captured):
    width, height = COLUMNS * CELL + 24, ROWS * LINE + 24
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}">',
        "<style>text { font: 13px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }</style>",
        f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>',
    ]
    style = Style()
    for row, line in enumerate(captured.splitlines()[:ROWS]):
        column = 0
        for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
            if piece.startswith("\x1b["):
                style.take([int(code or 0) for code in piece[2:-1].split(";")])
                continue
            # Each run of letters at its own cells, so that characters of another font stand where a terminal has them.
            for found in re.finditer(r"\S+(?: \S+)*", piece):
                text, at = found[0], 12 + (column + found.start()) * CELL
                place = f'x="{at:.1f}" y="{8 + (row + 1) * LINE}" textLength="{len(text) * CELL:.1f}"'
                out.append(f"<text {place} {style.attributes()}>{html.escape(text)}</text>")
            column += len(piece)
    return "\n".join([*out, "</svg>"]) + "\n"


if __name__ == "__main__":
    hearth = str(pathlib.Path(sys.argv[1]).resolve())
    pathlib.Path(__file__).with_name("dashboard.svg").write_text(svg(screen(hearth)))
