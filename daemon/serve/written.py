"""A model as a response: written by pydantic itself, without a dictionary in between."""

from collections.abc import Mapping

from fastapi import Response
from pydantic import BaseModel


def model_response(answer: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """Answer 200 with a model as JSON."""
    return Response(answer.model_dump_json(), media_type="application/json", headers=dict(headers or {}))
