"""The kinds of bodies that ask for an answer."""

from .chat import ChatBody
from .completion import CompletionBody
from .responses import ResponsesBody

Body = CompletionBody | ChatBody | ResponsesBody
Kind = type[CompletionBody] | type[ChatBody] | type[ResponsesBody]
