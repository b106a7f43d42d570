"""Which shape a request's answer has."""

from hotswapd.daemon.serve.question import Question
from hotswapd.daemon.serve.requests.chat import ChatBody
from hotswapd.daemon.serve.requests.completion import CompletionBody
from hotswapd.daemon.serve.requests.kinds import Body
from hotswapd.daemon.serve.token_texts import TokenTexts

from .chat import ChatShape
from .completion import CompletionShape
from .responses import ResponseShape
from .shape import Head, Shape


def shape_of(body: Body, question: Question, head: Head, texts: TokenTexts) -> Shape:
    """Make the shape in which a body wants its answer."""
    match body:
        case ChatBody():
            return ChatShape(head, body, texts)
        case CompletionBody():
            return CompletionShape(head, body, question, texts)
    return ResponseShape(head, body, texts)
