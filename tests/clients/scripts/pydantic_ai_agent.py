"""Pydantic AI: chats and responses, with history and streams."""

import asyncio
import os

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
provider = OpenAIProvider(base_url=f"{URL}/v1", api_key="none")


async def talk() -> None:
    for kind in (OpenAIChatModel, OpenAIResponsesModel):
        agent = Agent(kind(MODEL, provider=provider), instructions="Be brief.", model_settings={"max_tokens": 64})
        first = await agent.run("Say hello.")
        assert first.output
        assert (await agent.run("Again.", message_history=first.all_messages())).output
        async with agent.run_stream("Say hello.") as streamed:
            assert [text async for text in streamed.stream_text()]


asyncio.run(talk())
