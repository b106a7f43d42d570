"""LlamaIndex: complete, chat and their streams."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
for is_chat in (True, False):
    model = OpenAILike(
        model=MODEL, api_base=f"{URL}/v1", api_key="none", is_chat_model=is_chat, max_tokens=8, temperature=0
    )
    turns = [ChatMessage(role="user", content="Say hello.")]
    said = model.chat(turns)
    assert said.message.content
    assert model.chat([*turns, said.message, ChatMessage(role="user", content="Again.")]).message.content
    assert list(model.stream_chat(turns))[-1].message.content == said.message.content
    assert model.complete("Hello").text
