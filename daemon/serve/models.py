"""``/v1/models``: the names that can be asked for."""

import time
from collections.abc import Callable

from fastapi import APIRouter, Response
from pydantic import BaseModel

from .answerer import Answerer
from .names import Names
from .written import model_response


class Model(BaseModel):
    """One name; `max_model_len` is how many tokens prompt and answer may have together."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "hotswapd"
    root: str
    parent: None = None
    max_model_len: int


class ModelList(BaseModel):
    """All names."""

    object: str = "list"
    data: list[Model]


def model_routes(answerer: Callable[[], Answerer], names: Names) -> APIRouter:
    """Make both routes; `answerer` raises NotReady while nothing is served."""
    router = APIRouter()
    started = int(time.time())

    def shown(name: str, longest: int) -> Model:
        return Model(id=name, created=started, root=names.first, max_model_len=longest)

    @router.get("/models", response_model=None)
    def models() -> Response:
        now = answerer()
        listed = [shown(name, now.context()) for name in names.all(now.generations(), now.channels())]
        return model_response(ModelList(data=listed))

    @router.get("/models/{name:path}", response_model=None)
    def model(name: str) -> Response:
        now = answerer()
        now.require(now.which(names, name))
        return model_response(shown(name, now.context()))

    return router
