"""Instructor: in its mode of Markdown JSON it asks for plain text; its other modes need tools or schemas."""

import os

import instructor
from openai import OpenAI
from pydantic import BaseModel

URL, MODEL = os.environ["CLIENTS_URL"], os.environ["CLIENTS_MODEL"]


class Greeting(BaseModel):
    """What it asks for."""

    hello: str


client = instructor.from_openai(OpenAI(base_url=f"{URL}/v1", api_key="none"), mode=instructor.Mode.MD_JSON)
turns = [{"role": "user", "content": 'Answer with {"hello": "world"} and nothing else.'}]
try:
    create = client.chat.completions.create
    print(create(model=MODEL, messages=turns, response_model=Greeting, max_retries=0, max_tokens=32))
except Exception as error:  # a model this small may not write JSON: what matters is that the server answered
    assert "validation" in str(error).lower() or "json" in str(error).lower(), error
