"""The page docs/codes.md, written from the enums: ``python -m hotswapd.daemon.report.catalogue > docs/codes.md``."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from hotswapd.codes import Code
from hotswapd.daemon.errors import ErrorCode, FleetCode, StartCode
from hotswapd.daemon.ledger.reasons import Reason
from hotswapd.daemon.ledger.states import State
from hotswapd.loaders.codes import (
    BucketCode,
    FileCode,
    GoneCode,
    HubCode,
    IgnoredCode,
    PublishCode,
    RootCode,
    WaitingCode,
)
from hotswapd.swap.codes import ConfigCode, FilesCode, GateCode, HeaderCode, TensorCode
from hotswapd.swap.request_codes import AnswerCode, AskCode, DeviceCode

Cells = Callable[[Code], tuple[str, ...]]


def _explained(code: Code) -> tuple[str, ...]:
    return code.meaning, code.remedy


def _ended(code: Code) -> tuple[str, ...]:
    return (code.state if isinstance(code, Reason) else State.GONE).value, code.meaning


def _answered(code: Code) -> tuple[str, ...]:
    usual = "503" if isinstance(code, AnswerCode) else "400"
    return code.status if isinstance(code, ErrorCode) else usual, code.meaning


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its introduction, and a table of codes if it has any; a code without a meaning is left out."""

    heading: str
    introduction: str = ""
    codes: tuple[Code, ...] = ()
    columns: tuple[str, ...] = ("what it means", "what to do")
    cells: Cells = _explained

    def lines(self) -> Iterator[str]:
        """Write the section; codes that follow one another with the same cells share a row."""
        yield from ("", self.heading)
        if self.introduction:
            yield from ("", self.introduction)
        if self.codes:
            yield from ("", _row("code", *self.columns), _row("---", *("---" for _ in self.columns)))
        known = dict.fromkeys(code for code in self.codes if code.meaning)  # two packages may give the same code
        for cells, codes in groupby(known, self.cells):
            yield _row(", ".join(f"`{code}`" for code in codes), *cells)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _reasons(*states: State) -> Iterator[Reason]:
    return (reason for reason in Reason if reason.state in states)


SECTIONS = (
    Section(
        "# Codes",
        """\
Whatever hotswapd refuses, holds or waits for has a stable code and a sentence that says what to do. The code is
`reason` in `hotswapd history --json` and in `status --json`, `code` in the log, and `error.code` over HTTP. The
sentence has the particulars; this page says what each code means in general.""",
    ),
    Section(
        "## Why an adapter is REJECTED",
        """\
Its files are bad, or do not fit this base and configuration. It is looked at again when its bytes change, when
`[admission]`, `[verify]` or `[model]` change, or on `hotswapd submit --again`. `hotswapd check` gives the same codes
before an upload.""",
    ),
    Section("### The directory and its files", codes=(*FilesCode, *FileCode)),
    Section("### The weights file's header", codes=tuple(HeaderCode)),
    Section("### The configuration's fields", codes=tuple(ConfigCode)),
    Section("### The tensors", codes=tuple(TensorCode)),
    Section("### Its set", codes=tuple(_reasons(State.REJECTED))),
    Section(
        "## Why an adapter is ROLLED_BACK or QUARANTINED",
        """\
It fits, and was found bad on the model, or afterwards. The previous generation is live. The numbers are in `hotswapd
history --verify`; [verification.md](verification.md) says how each is judged. `update_outgrown` and `no_change` are
warnings unless the configuration says otherwise.""",
        (*GateCode, *_reasons(State.ROLLED_BACK, State.QUARANTINED)),
    ),
    Section(
        "## Why an adapter is HELD",
        "It is in the store and is tried again by itself.",
        tuple(_reasons(State.HELD)),
    ),
    Section(
        "## Why an adapter is WAITING",
        "It is not in the store yet, hides nothing behind it, and is looked at again by itself.",
        (*WaitingCode, *_reasons(State.WAITING)),
    ),
    Section(
        "## Why an adapter is IGNORED",
        "It is complete, and is never taken where it lies. It is not in the queue and holds up nothing.",
        (*IgnoredCode, *_reasons(State.IGNORED)),
    ),
    Section(
        "## Why a swap ended otherwise",
        codes=(*_reasons(State.SUPERSEDED), *GoneCode, *_reasons(State.GONE, State.FETCHED, State.RETIRED)),
        columns=("state", "what it means"),
        cells=_ended,
    ),
    Section(
        "## Why a source is down",
        """\
`status` shows the sentence. What is live stays live, other sources go on, and it is tried again by itself. A code of
a bucket can also be that of one adapter that waits. The codes of a queue begin with `sqs_` in place of `s3_`.""",
        (*RootCode, *BucketCode, *HubCode),
    ),
    Section(
        "## What HTTP and the control socket answer",
        codes=(*AskCode, *ErrorCode, *AnswerCode, *DeviceCode),
        columns=("status", "what it means"),
        cells=_answered,
    ),
    Section("## Why the daemon cannot listen", "It exits with status 75.", tuple(StartCode)),
    Section(
        "## What a fleet says besides",
        "In the logs of its processes and on the command line; [fleet.md](fleet.md) says who does what.",
        tuple(FleetCode),
    ),
    Section("## What only `hotswapd publish` says", codes=tuple(PublishCode)),
)


def page(sections: Iterable[Section] = SECTIONS) -> str:
    """Return the whole page in Markdown."""
    return "\n".join(line for section in sections for line in section.lines()).lstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
