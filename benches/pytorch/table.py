"""Makes a table of what benches/compare has measured: `table.py FILE`, a line of JSON a run, with its model and program."""

import json
import statistics
import sys

PROGRAMS = ("hearth", "eager", "compiled")


def times(runs):
    """The median of the runs' medians, and the least and the most of these."""
    medians = [run["step"]["median_ms"] for run in runs]
    return statistics.median(medians), min(medians), max(medians)


def show_times(runs):
    if not runs:
        return ""
    median, least, most = (f"{ms:.3g}" if ms < 100 else f"{ms:.0f}" for ms in times(runs))
    return f"{median} ({least} to {most})"


def mib(runs, field):
    """The median of a figure of memory, bytes."""
    found = [run["memory"][field] for run in runs if run["memory"][field]]
    return statistics.median(found) / (1 << 20) if found else None


def show_memory(runs):
    most, before = mib(runs, "resident_bytes"), mib(runs, "resident_before_bytes")
    return f"{most:.0f} ({most - before:.0f})" if most and before else ""


def row(model, runs):
    by_program = {name: [run for run in runs if run["program"] == name] for name in PROGRAMS}
    sizes = {run["parameters"] for run in runs}
    if len(sizes) > 1:
        sys.exit(f"{model}: the programs ran models of {sizes} parameters")
    hearth = by_program["hearth"]
    others = [found for name, found in by_program.items() if name != "hearth" and found]
    ratio = share = ""
    if hearth and others:
        best = min(others, key=lambda found: times(found)[0])
        ratio = f"{times(hearth)[0] / times(best)[0]:.2f}"
        least = min(mib(found, "resident_bytes") for found in others)
        mine = mib(hearth, "resident_bytes")
        share = f"{mine / least:.2f}" if mine else ""
    cells = [model, f"{sizes.pop():,}", *(show_times(found) for found in by_program.values()), ratio]
    return cells + [*(show_memory(found) for found in by_program.values()), share]


def main():
    with open(sys.argv[1]) as lines:
        runs = [json.loads(line) for line in lines]
    programs = ["Hearth", "PyTorch", "compiled"]
    heading = ["model", "parameters", *(f"{name}, ms" for name in programs), "ratio"]
    heading += [*(f"{name}, MiB" for name in programs), "ratio"]
    print(f"| {' | '.join(heading)} |\n|{' --- |' * len(heading)}")
    for model in dict.fromkeys(run["model"] for run in runs):
        print(f"| {' | '.join(row(model, [run for run in runs if run['model'] == model]))} |")
    counts = {(run["model"], run["program"]): 0 for run in runs}
    for run in runs:
        counts[run["model"], run["program"]] += 1
    print(f"\nA step's ms: the median of {max(counts.values())} runs' medians, and the least and the most of these.")
    print("MiB: the largest resident set and, in brackets, what of it came after the program and its libraries.")
    print("Ratios are to PyTorch's better figure.")
    for device in dict.fromkeys(run["device"] for run in runs):
        print(f"- {device}")


if __name__ == "__main__":
    main()
