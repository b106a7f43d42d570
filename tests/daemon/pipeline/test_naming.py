"""Which channel an adapter is for."""

import pytest

from hotswapd.daemon.config.current import Current
from hotswapd.daemon.config.settings import HubTable, LocalTable, S3Table, Settings, SourceTable
from hotswapd.daemon.config.tables import Admission, Model
from hotswapd.daemon.pipeline.naming import ByTable, Named, default_only
from hotswapd.loaders.uri import AdapterURI


def naming(*tables: SourceTable) -> ByTable:
    model, admission = Model(base="org/tiny-7b"), Admission(base_models=("tuned",))
    return ByTable(Current(Settings(model=model, admission=admission, source=tables)))


LOCAL = LocalTable(kind="local", name="l", path="/srv/adapters/", channel="{1}")  # type: ignore[arg-type]
BUCKET = S3Table(kind="s3", name="b", uri="s3://bucket/runs/", channel="{1}")
WHOLE = S3Table(kind="s3", name="w", uri="s3://bucket", channel="{1}")


@pytest.mark.parametrize(
    ("source", "uri", "channel", "reason"),
    [
        ("l", "file:///srv/adapters/support/run-7", "support", ""),
        ("l", "file:///srv/adapters/support/2026/run-7", "support", ""),
        ("l", "file:///srv/adapters/default/run-7", "default", ""),
        ("l", "file:///srv/adapters/run-7", "default", "no_channel"),
        ("l", "file:///srv/adapters", "default", "no_channel"),
        ("l", "file:///srv/adapters/a%20b/run-7", "default", "channel_name"),
        ("l", f"file:///srv/adapters/{'x' * 65}/run-7", "default", "channel_name"),
        ("l", "file:///srv/adapters/tiny-7b/run-7", "default", "channel_name"),
        ("l", "file:///srv/adapters/tuned/run-7", "default", "channel_name"),
        ("b", "s3://bucket/runs/sales/run-7/", "sales", ""),
        ("b", "s3://bucket/runs/run-7/", "default", "no_channel"),
        ("b", "s3://bucket/runs/", "default", "no_channel"),
        ("w", "s3://bucket/sales/run-7/", "sales", ""),
        ("w", "s3://bucket/run-7/", "default", "no_channel"),
    ],
)
def test_the_first_directory_below_the_path_names_it(source: str, uri: str, channel: str, reason: str) -> None:
    """What has no name there, or one that no channel can have, is ignored with a sentence that says what to do."""
    named = naming(LOCAL, BUCKET, WHOLE)(source)(AdapterURI.parse(uri))
    assert (named.channel, named.reason, bool(named.detail)) == (channel, reason, bool(reason))


def test_a_fixed_channel_is_that_of_every_adapter() -> None:
    tables = (
        LocalTable(kind="local", name="l", path="/a", channel="support"),  # type: ignore[arg-type]
        HubTable(kind="hub", name="h", repo="org/adapter", channel="sales"),
        LocalTable(kind="local", name="d", path="/d"),  # type: ignore[arg-type]
    )
    by_table = naming(*tables)
    assert by_table("l")(AdapterURI.parse("file:///a/b/c")) == Named("support")
    assert by_table("h")(AdapterURI.parse("hf://org/adapter")) == Named("sales")
    assert by_table("d")(AdapterURI.parse("file:///d/b/c")) == Named()
    assert by_table("a source that was removed")(AdapterURI.parse("file:///x")) == Named()
    assert default_only("l")(AdapterURI.parse("file:///a/b/c")) == Named()


def test_a_reload_names_anew() -> None:
    """The configuration that holds when a source is scanned decides."""
    current = Current(Settings(model=Model(base="m"), source=(LOCAL,)))
    by_table, uri = ByTable(current), AdapterURI.parse("file:///srv/adapters/support/run-7")
    assert by_table("l")(uri).channel == "support"
    current.renew(Settings(model=Model(base="m"), source=(LOCAL.model_copy(update={"channel": "other"}),)))
    assert by_table("l")(uri).channel == "other"
