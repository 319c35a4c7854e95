"""Kills training, search, preparing and exporting again and again, and looks for what was lost.

    python tests/faults/kill_loop.py EMPTY_FOLDER [--seed 0] [--table FILE.md]

Each command runs undisturbed once. Then it is killed (-9) at random moments of its life and when
certain files appear, and started again each time, until it comes to its end. After every kill all
files that have their final name must be sound, and nothing that was finished may be gone. In the
end the results must be those of the undisturbed run: trainings are deterministic here, so to the
last digit. Prints a Markdown table; the exit code is 1 if anything was lost.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from commands import SAMPLE, Command, Export, Prepare, Search, Train
from PIL import Image

from tf_muscle.atomic import UNFINISHED
from tf_muscle.training.checkpoints import corruption_reason

LIMIT = 600.0  # seconds after which a command hangs
ROUNDS = 8  # at most, of one command

KINDS: dict[str, type[Command]] = {
    "train": Train,  # first, since the export takes its run
    "search": Search,
    "prepare": Prepare,
    "export": Export,
}

Moment = float | str | None  # seconds after the start, a pattern of a file, or never


@dataclass
class Account:
    """What happened to one command."""

    title: str
    life: float  # seconds of the undisturbed run
    kills: list[str] = field(default_factory=list)
    rounds: int = 0
    missed: int = 0  # moments that never came
    losses: list[str] = field(default_factory=list)

    def lose(self, lines: Iterable[str]) -> None:
        """Notes what was lost."""
        for line in lines:
            self.losses.append(line)
            print(f"{self.title}: round {self.rounds}, LOST: {line}", flush=True)


def named(pattern: str, command: Command) -> str:
    """The pattern of a file in this round."""
    return pattern.format(n=command.number)


def start(command: Command, moment: Moment) -> tuple[bool, float]:
    """Starts a command and kills it at the moment.

    Returns:
        Whether it was killed, and the seconds that it lived.

    Raises:
        RuntimeError: it failed by itself, or hangs.
    """
    log = command.work / "log.txt"
    pattern = named(moment, command) if isinstance(moment, str) else None
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *command.words()],
            cwd=command.work, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        while process.poll() is None:
            lived = time.monotonic() - began
            there = pattern and next(command.folder.glob(pattern), None)
            if there or lived > (moment if isinstance(moment, float) else LIMIT):
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            time.sleep(0.001)
    lived, text = time.monotonic() - began, log.read_text()
    was_complete = process.returncode == 2 and ("is complete" in text or "exists and" in text)
    ends = (0, 2) if was_complete else (0, -signal.SIGKILL)
    if process.returncode not in ends or lived > LIMIT or "Traceback" in text:
        raise RuntimeError(f"{command.words()} ended with {process.returncode}:\n{text[-3000:]}")
    return process.returncode == -signal.SIGKILL, lived


def unsound(folder: Path) -> Iterator[str]:
    """Files under their final names that cannot be read."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        inside = path.relative_to(folder).parts
        if any(part.startswith((UNFINISHED, "incomplete.")) for part in inside):
            continue
        # Event files and history.csv are logs, which end where the process did.
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".yaml":
                assert isinstance(yaml.safe_load(path.read_text()), dict), "no options"
            elif path.suffix == ".png" and "tensorboard" not in inside:
                with Image.open(path) as image:
                    image.load()
            elif path.suffix == ".h5":
                assert corruption_reason(path) is None, corruption_reason(path)
            elif path.suffix == ".keras":
                with zipfile.ZipFile(path) as archive:
                    assert archive.testzip() is None, "damaged"
            elif path.suffix == ".npy":
                assert path.read_bytes()[:6] == b"\x93NUMPY", "no array"
            elif path.name == "saved_model.pb":
                for name in ("README.md", "assets/labels.txt", "variables/variables.index"):
                    assert (path.parent / name).stat().st_size, f"{name} is empty"
            elif path.name in ("report.md", "results.md", "results.csv"):
                assert path.read_text().endswith("\n"), "no end"
        except (OSError, ValueError, AssertionError, zipfile.BadZipFile) as error:
            yield f"{'/'.join(inside)} is unsound: {error!r}"


def lost(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What was finished and is not as it was."""
    return [f"{name} is lost" for name, content in before.items() if after.get(name) != content]


def torment(kind: type[Command], work: Path, moments: random.Random) -> Account:
    """Kills a command at all its moments, in as many rounds as that takes."""
    undisturbed = kind(work, 0)
    _, life = start(undisturbed, None)
    expected = undisturbed.result()
    account = Account(kind.title, life)
    plans: list[list[Moment]] = [
        [life * moments.uniform(0.1, 1.0), *kind.files[i :: kind.rounds]]
        for i in range(kind.rounds)
    ]
    for plan in plans[: kind.random_kills - kind.rounds]:
        plan.insert(2, life * moments.uniform(0.1, 0.6))  # what is done already takes no time
    while plans and account.rounds < ROUNDS:
        plan = plans.pop(0)
        account.rounds += 1
        command = kind(work, account.rounds)
        later: list[Moment] = []
        finished: dict[str, str] = {}
        while True:
            moment = plan.pop(0) if plan else None
            if isinstance(moment, str) and next(command.folder.glob(named(moment, command)), None):
                later.append(moment)  # it is there since an earlier start
                continue
            killed, lived = start(command, moment)
            account.lose(unsound(work))
            account.lose(lost(finished, finished := command.finished()))
            if not killed:  # it came to its end, before the moment perhaps
                if moment is not None:
                    earlier = moment / 2 if isinstance(moment, float) else moment
                    later += [*plan, earlier]
                break
            when = f"{lived:.1f} s" if isinstance(moment, float) else f"`{moment}`"
            account.kills.append(when.replace("{n}", ""))
            print(f"{kind.title}: round {account.rounds}, killed at {when}", flush=True)
        if later:
            plans.append(later)
        if command.result() != expected:
            account.lose([f"round {account.rounds} has another result"])
    account.missed = sum(map(len, plans))
    return account


def table(accounts: list[Account]) -> str:
    """Markdown."""
    lines = ["| command | kills (-9) | at | restarts | losses |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.title}, {one.life:.0f} s undisturbed | {len(one.kills)} | {', '.join(one.kills)} "
        f"| {len(one.kills)} | {len(one.losses)} |"
        for one in accounts
    ]
    total = sum(len(one.kills) for one in accounts)
    losses = sum(len(one.losses) for one in accounts)
    return "\n".join([*lines, f"| **together** | **{total}** | | {total} | **{losses}** |"]) + "\n"


def small_export(folder: Path) -> None:
    """12, 4 and 4 photos of the bundled sample."""
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        (folder / split).mkdir(parents=True)
        shutil.copy(SAMPLE / split / "_classes.csv", folder / split)
        for mask in sorted((SAMPLE / split).glob("*_mask.png"))[:count]:
            shutil.copy(mask, folder / split)
            shutil.copy(str(mask).replace("_mask.png", ".jpg"), folder / split)


def main() -> int:
    """The script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", type=Path, help="Empty folder for everything.")
    parser.add_argument("--seed", type=int, default=0, help="Of the random moments.")
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS), help="Commands.")
    parser.add_argument("--table", type=Path, help="Markdown file to write the table to.")
    options = parser.parse_args()
    work = options.work.resolve()
    small_export(work / "export")
    moments = random.Random(options.seed)
    accounts = [torment(KINDS[name], work, moments) for name in options.only]
    text = table(accounts)
    print(text)
    if options.table:
        options.table.write_text(text)
    return any(one.losses for one in accounts)


if __name__ == "__main__":
    sys.exit(main())
