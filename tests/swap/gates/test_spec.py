"""The limits of the gates and the [verify] table are two views of one thing."""

from dataclasses import asdict, fields

from hotswapd.daemon.config.verify import Verify
from hotswapd.swap.gates.spec import Limits


def test_the_limits_are_those_of_the_verify_table() -> None:
    """Every field of Limits is a key of [verify] with the same default: a limit is added in both or in neither."""
    shared = {field.name for field in fields(Limits)}
    assert Verify().model_dump(include=shared) == asdict(Limits())


def test_every_limit_of_the_verify_table_reaches_the_gates() -> None:
    """What [verify] has besides are tables of their own."""
    tables = {"probe", "dataset", "replay", "command", "watch"}
    assert set(Verify.model_fields) - {field.name for field in fields(Limits)} == tables
