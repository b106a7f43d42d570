"""The ingress as Ray Serve runs it: the daemon's HTTP API, answered by the replicas. It has a tokenizer, no weights."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from starlette.types import ASGIApp

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import resident_spec
from hotswapd.daemon.errors import ErrorCode, NotReady
from hotswapd.daemon.fleet.shared.secret import shared_secret
from hotswapd.daemon.fleet.wire import unpacked
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.serve.answerer import Answerer
from hotswapd.daemon.serve.app import make_ingress_app
from hotswapd.daemon.serve.controlled import control_routes
from hotswapd.daemon.serve.face import Readiness
from hotswapd.daemon.serve.names import names_of
from hotswapd.daemon.serve.signed_answers import SignedAnswers
from hotswapd.swap.resident.tokenizer import load_tokenizer
from hotswapd.swap.rows.language import Language

from .controlling import Controlling
from .dispatch import GONE, Dispatcher
from .logs import log_to_ray
from .piece import Described
from .place import Together
from .speaker import FleetSpeaker
from .starting import start_watcher

log = structlog.get_logger(__name__)
_STARTING = "no replica has loaded the model yet"
_AGAIN = 1.0


class IngressFace:
    """One ingress as its clients see it: an `Answering` that has nobody to ask until a replica has loaded the model."""

    def __init__(self, dispatcher: Dispatcher, tokenizer: Any) -> None:
        """Know nothing of the model yet: `meet` a replica."""
        self._dispatcher = dispatcher
        self._tokenizer = tokenizer
        self._answerer: Answerer | None = None

    def meet(self, described: Described) -> None:
        """Answer from now on, for a model that a replica has described."""
        language = Language(self._tokenizer, described.vocabulary, described.context, described.usual)
        self._answerer = Answerer(FleetSpeaker(self._dispatcher, language), split=self._dispatcher.pointed)

    def ready(self) -> Readiness:
        """Tell whether a replica has been met."""
        return Readiness(False, _STARTING) if self._answerer is None else Readiness(True)

    def answerer(self) -> Answerer:
        """Return what asks the replicas. Raises NotReady before one has been met."""
        if self._answerer is None:
            raise NotReady(ErrorCode.NOT_READY, f"{_STARTING}; try again in a moment")
        return self._answerer


class Ingress:
    """One ingress. Serve makes it on the event loop on which it answers; `serve.ingress` wraps it."""

    def __init__(self, settings: Settings, together: Together, replicas: Any) -> None:
        """Load the tokenizer; `replicas` is Serve's handle. Raises BaseUnusable or Unavailable.

        Starts the watcher, if nobody has.
        """
        log_to_ray(settings)
        self._settings = settings
        self._together = together
        self._secret = shared_secret(together.trail().place)
        self._watcher = start_watcher(settings, together)
        self._metrics = Metrics()
        counts = self._metrics.client_counts
        self._dispatcher = Dispatcher(replicas, together, settings.named_channels, counts=counts)
        self._face = IngressFace(self._dispatcher, load_tokenizer(resident_spec(settings)))
        self._meeting = asyncio.create_task(self._meet(replicas))

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """Make the app; Serve asks for it once this is made."""
        settings = self._settings
        names = names_of(settings.model.base, settings.serve.model_names, settings.admission.base_models)
        watcher, key = Controlling(self._together.watcher), settings.control.key_file
        operators = [control_routes(key, watcher.call)] if key else []
        known = self._face, names, self._metrics, settings.serve, settings.rollout
        return make_ingress_app(*known, watcher, operators, SignedAnswers(self._secret))

    def _is_known(self) -> bool:
        """Tell whether it is known what is live: each watcher writes at its start, so that nothing is no answer."""
        return self._dispatcher.pointed.catch_up().serial > 0

    async def _meet(self, replicas: Any) -> None:
        """Ask for a description until a replica has given one: the first may take as long as the model to load."""
        while not await asyncio.to_thread(self._is_known):
            await asyncio.sleep(_AGAIN)
        while not self._face.ready().ready:
            with suppress(*GONE):
                self._face.meet(unpacked(Described, await replicas.describe.remote()))
                return
            await asyncio.sleep(_AGAIN)
