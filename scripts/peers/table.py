"""The rounds of a tool brought together, and the Markdown tables of them."""

import statistics
import sys
import textwrap
from dataclasses import dataclass, field

from process import SAMPLE
from reading import SIZE, LeftOut, Trouble


@dataclass
class Side:
    """One tool in one row: the figures of its rounds, or why there are none."""

    runs: list = field(default_factory=list)
    left_out: str = ""
    failed: str = ""

    def take(self, what, measure):
        if self.left_out or self.failed:
            return
        try:
            self.runs.append(measure())
        except LeftOut as why:
            self.left_out = str(why)
            print(f"peers: {what}: left out: {why}", file=sys.stderr)
        except (Trouble, OSError, KeyError, TypeError, ValueError, ArithmeticError) as why:
            self.failed = f"round {len(self.runs) + 1}: {why if isinstance(why, Trouble) else repr(why)}"
            print(f"peers: {what}: FAILED in {self.failed}", file=sys.stderr)

    def median(self, figure):
        """None where there is none."""
        if self.left_out or self.failed or not self.runs or figure not in self.runs[0]:
            return None
        return statistics.median(one[figure] for one in self.runs)

    def account(self):
        if self.left_out or self.failed:
            return {"left_out": self.left_out} if self.left_out else {"failed": self.failed}
        return {"median": {key: self.median(key) for key in self.runs[0]}, "rounds": self.runs}


def three(number):
    """A number of three digits that mean something."""
    if number is None:
        return ""
    if number >= 100:
        return f"{round(number, 3 - len(str(int(number)))):,.0f}"
    return f"{number:.3g}"


def span(side, figure):
    """The median, and between what the rounds were."""
    seen = [one[figure] for one in side.runs]
    return three(side.median(figure)) + (f" ({three(min(seen))}–{three(max(seen))})" if len(seen) > 1 else "")


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def instead(side):
    """What stands in the place of figures that are not there; None where they are."""
    if not side.left_out and not side.failed:
        return None
    why = f"left out: {side.left_out}" if side.left_out else f"**failed** in {side.failed}"
    return why.replace("|", "\\|").replace("\n", " ")


LEDGER = (("unsent", "refused", "unconfirmed"), ("lost", "duplicate", "reordered"))
COLUMNS = ("rate", "client_us", "server_us", "memory_mb", "ack_p50_us")


def beside(table, peer):
    """The Markdown table of two tools: two lines and their ratios, for each row."""
    head = ("", "", "events/s", "client, CPU µs/event", "broker, CPU µs/event", "client, peak MB", "ack p50, µs")
    lines = [line(*head), line(*["---"] * len(head))]
    for what, mine, theirs in table:
        for name, side in (("tickgate", mine), (peer, theirs)):
            missing = instead(side)
            figures = [span(side, "rate")] if not missing else []
            # A rate's acknowledgement times say little where the window closes the load.
            shown = COLUMNS[1:] if what.endswith("/s") else COLUMNS[1:-1]
            figures += [three(side.median(figure)) for figure in shown] if not missing else [missing]
            cells = [what if side is mine else "", name, *figures]
            lines.append(line(*cells, *[""] * (len(head) - len(cells))))
        if not instead(mine) and not instead(theirs):
            pairs = [(mine.median(figure), theirs.median(figure)) for figure in COLUMNS[:-1]]
            ratios = [f"×{ours / peers:.2f}" if peers else "" for ours, peers in pairs]
            lines.append(line("", f"*tickgate ÷ {peer}*", *ratios, ""))
    return lines


def paces(rows):
    """The Markdown table of tickgate alone."""
    head = ("offered", "acknowledged/s", "unsent, refused, unconfirmed; lost, twice, out of order", "ack p50, µs")
    head += ("end to end p50, µs", "p99, ms", "tickgate, CPU µs/event", "broker, CPU µs/event", "tickgate, peak MB")
    lines = [line(*head), line(*["---"] * len(head))]
    for what, side in rows:
        missing = instead(side)
        if missing:
            lines.append(line(what, missing, *[""] * (len(head) - 2)))
            continue
        # Of the ledger every round counts, not the middle one.
        sums = [[sum(one[key] for one in side.runs) for key in keys] for keys in LEDGER]
        ledger = "; ".join(", ".join(f"{count:,}" for count in part) for part in sums)
        times = [three(side.median(key)) for key in ("ack_p50_us", "p50_us")] + [three(side.median("p99_us") / 1000)]
        costs = [three(side.median(key)) for key in ("client_us", "server_us", "memory_mb")]
        lines.append(line(what, span(side, "rate"), ledger, *times, *costs))
    return lines


HOW = """
Medians of {rounds} rounds, in turn on one broker ({versions}): {size} B an event, one copy, file store, {cores} cores
shared with the broker, {date}; {load}. Events/s: what each tool says of itself, with the lowest and highest round. CPU:
user and system time that the kernel counted of the whole process, its start and end with it (of tickgate also its
report), divided by all its events; of the broker, over the same time. For *receive*, tickgate publishes the backlog in
the same run, so there it is the CPU between its first and its last delivery, which its record names, from readings of
/proc every {sample} ms. Peak memory: VmHWM. {remark} tickgate checks the content, order and loss of every event that
it receives; with {peer} nothing is checked."""


def written(account, table, rows, remark, peer):
    """The whole Markdown text."""
    machine = account["machine"]
    how = HOW.format(
        rounds=account["rounds"],
        versions=", ".join(account["versions"].values()),
        size=SIZE,
        cores=machine["cores"],
        date=account["date"][:10],
        load=f"load average {machine['load_before']:.1f} before and {machine['load_after']:.1f} after",
        sample=round(SAMPLE * 1000),
        remark=remark,
        peer=peer,
    )
    alone = "tickgate alone at a pace, one group receiving (the ledger: the sum over all rounds, the rest: medians):"
    how = textwrap.fill(" ".join(how.split()), 120, break_long_words=False, break_on_hyphens=False)
    return "\n".join([*beside(table, peer), "", how, "", alone, "", *paces(rows), ""])
