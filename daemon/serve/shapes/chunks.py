"""The chunks of a streamed answer, in the shape that chats and completions share."""

from hotswapd.daemon.errors import FaceError
from hotswapd.daemon.serve.conversation import Piece
from hotswapd.daemon.serve.errors import error_body
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody

from .shape import DONE, Head, Usage, event, quoted


class Chunks:
    """What stands around each choice of a stream: one string, since there is a chunk for each token of each client."""

    def __init__(self, head: Head, body: ChatBody | CompletionBody, answer: str, kind: str) -> None:
        """Nothing is written yet; `answer` is its id, `kind` what its chunks say that they are."""
        self._head = head
        self._body = body
        self._tokens: dict[int, int] = {}
        self._before = (
            f'{{"id":"{answer}","object":"{kind}","created":{head.created},'
            f'"model":{quoted(head.model)},"system_fingerprint":"{head.fingerprint}","choices":['
        )
        self._usage = ',"usage":null' if body.include_usage else ""

    def begins(self, piece: Piece) -> bool:
        """Tell whether nothing was written of this piece's answer so far."""
        return piece.index not in self._tokens

    def of(self, piece: Piece, choice: str) -> str:
        """Return a piece's chunk with its choice, written out."""
        self._tokens[piece.index] = piece.tokens
        return f"data: {self._before}{choice}]{self._counted()}}}\n\n"

    def _counted(self) -> str:
        if not self._body.continuous_usage:
            return self._usage
        return f',"usage":{Usage.of(self._head, sum(self._tokens.values())).model_dump_json()}'

    def closing(self, tokens: int) -> str:
        """Return the chunk that counts the tokens, if it is asked for, and the end."""
        if not self._body.include_usage:
            return DONE
        usage = Usage.of(self._head, tokens).model_dump_json()
        return event(f'{self._before}],"usage":{usage}}}') + DONE

    def failed(self, error: FaceError) -> str:
        """Return the error."""
        return event(error_body(error))
