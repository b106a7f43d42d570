"""OpenAI's agents SDK: its default API is responses."""

import asyncio
import os

from agents import Agent, Runner, set_tracing_disabled
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]
set_tracing_disabled(True)
client = AsyncOpenAI(base_url=f"{URL}/v1", api_key="none", max_retries=0)


async def talk() -> None:
    for kind in (OpenAIResponsesModel, OpenAIChatCompletionsModel):
        agent = Agent(name="brief", instructions="Be brief.", model=kind(model=MODEL, openai_client=client))
        first = await Runner.run(agent, "Say hello.")
        assert first.final_output
        assert (await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "Again."}])).final_output
        streamed = Runner.run_streamed(agent, "Say hello.")
        assert [event async for event in streamed.stream_events()]


asyncio.run(talk())
