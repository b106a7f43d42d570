"""What can go wrong between a source and the store, by who has to act next."""

from hotswapd.codes import Code


class LoadError(Exception):
    """Base of the four classes below; never raised itself. `code` is stable, the text is one sentence."""

    def __init__(self, code: Code, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class Unavailable(LoadError):
    """This adapter cannot be fetched now and may be later: the state is WAITING with `code` as its reason.

    `retry_after` is in seconds, if the source named a wait.
    """

    def __init__(self, code: Code, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(code, sentence)
        self.retry_after = retry_after


class Gone(LoadError):
    """The source deleted it before it was fetched: the state is GONE."""


class Refused(LoadError):
    """This revision can never be taken: the state is REJECTED."""


class SourceDown(LoadError):
    """The whole source cannot be scanned: `ok: false` in its status; nothing else is touched."""

    def __init__(self, code: Code, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(code, sentence)
        self.retry_after = retry_after
