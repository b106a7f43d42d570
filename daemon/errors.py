"""How the daemon says no: one sentence for a person, a code for a program, a status for HTTP."""


class FaceError(Exception):
    """Base of the leaves below: one sentence for a person, `code` for a program, `status` for HTTP."""

    status = 500

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


class BadRequest(FaceError):
    """What was asked makes no sense here. `param` names the field at fault, empty when it is none."""

    status = 400

    def __init__(self, code: str, sentence: str, param: str = "") -> None:
        super().__init__(code, sentence)
        self.param = param


class Conflict(FaceError):
    """It cannot be done in this state: no such generation, the adapter is refused."""

    status = 409


class Busy(FaceError):
    """Too many requests wait already; the same request may succeed a moment later."""

    status = 429


class NotReady(FaceError):
    """The model does not answer yet, or not any more."""

    status = 503
