"""Why a request is refused, or its answer ends in the middle: stable codes.

Importing this imports no torch.
"""

from hotswapd.codes import Code

_NOT_TO_COMPUTE = ("the engine cannot compute this request", "")
_NO_TEXT = ("this base has none: send token ids, or use `/v1/completions`", "")


class AskCode(Code):
    """Why the engine refuses a request: status 400 over HTTP."""

    BAD_MESSAGES = ("bad_messages", *_NOT_TO_COMPUTE)
    EMPTY_PROMPT = ("empty_prompt", *_NOT_TO_COMPUTE)
    BAD_TOKEN = ("bad_token", *_NOT_TO_COMPUTE)
    BAD_MAX_TOKENS = ("bad_max_tokens", *_NOT_TO_COMPUTE)
    CONTEXT_LENGTH_EXCEEDED = (
        "context_length_exceeded",
        "prompt and answer are longer than `serve.context_tokens`",
        "",
    )
    NO_TOKENIZER = ("no_tokenizer", *_NO_TEXT)
    NO_CHAT_TEMPLATE = ("no_chat_template", *_NO_TEXT)


class DeviceCode(Code):
    """What is wrong with the device: status 503 over HTTP."""

    RESIDENT_LOST = "resident_lost", "the device failed; the daemon restarts", ""


class AnswerCode(Code):
    """Why an answer ended before its end: in the error that closes it."""

    NON_FINITE = (
        "non_finite",
        "the model's keys, values or logits became NaN or infinite for this request; other requests were not touched",
        "look at the adapter and at its training run; ask again for another generation",
    )
