"""LangChain: invoke, stream, batch, and the responses API."""

import os

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
common = {"base_url": f"{URL}/v1", "api_key": "none", "model": MODEL, "max_retries": 0}

chat = ChatOpenAI(**common, max_tokens=8, temperature=0)
turns = [SystemMessage("Be brief."), HumanMessage("Say hello.")]
said = chat.invoke(turns)
assert isinstance(said, AIMessage)
assert chat.invoke([*turns, said, HumanMessage("Again.")]).content
assert "".join(str(one.content) for one in chat.stream(turns)) == said.content
assert len(chat.batch([turns, turns])) == 2
assert 0 < said.usage_metadata["output_tokens"] <= 8
assert ChatOpenAI(**common, max_tokens=16, use_responses_api=True).invoke("Say hello.").text
assert len(ChatOpenAI(**common, max_tokens=8, n=2, temperature=1).generate([turns]).generations[0]) == 2
assert OpenAI(**common, max_tokens=8, temperature=0).invoke("The capital of France is")
