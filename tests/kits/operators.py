"""The operator's side of the daemon with a real ledger and no model."""

from typing import Any, cast

from hotswapd.daemon.control.operator import Operator
from hotswapd.daemon.control.part import Starting
from hotswapd.daemon.control.standing import Standing
from hotswapd.daemon.control.submitting import Submitting
from hotswapd.daemon.control.views import Views
from hotswapd.daemon.ledger.generation import base_generation
from hotswapd.daemon.ledger.ledger import Ledger
from hotswapd.daemon.pipeline.changes import Changes
from hotswapd.daemon.pipeline.queue import Inbox
from hotswapd.daemon.report.metrics import Metrics
from hotswapd.daemon.report.picture import Pictures


def make_operator(ledger: Ledger) -> Operator:
    """Make the operator of a daemon that is still starting and watches nothing."""
    inbox, sources = Inbox(ledger, [], Changes()), cast("Any", [])
    standing = Standing(Starting(base_generation("m", 0.0)))
    views = Views(standing, ledger, sources, Pictures(ledger), Metrics())
    return Operator(standing, ledger, inbox, views, Submitting(ledger, inbox, sources))
