"""What the resident and its engine take of the configuration."""

from dataclasses import fields

from hotswapd.daemon.config.settings import Settings
from hotswapd.daemon.config.specs import engine_spec, resident_spec
from hotswapd.daemon.config.tables import Admission, Model, Serve, State
from hotswapd.swap.resident.spec import ResidentSpec
from hotswapd.swap.rows.spec import EngineSpec

MODEL = Model(
    base="org/model",
    revision="r",
    dtype="bfloat16",
    device="cuda:1",
    max_rank=7,
    target_modules=("q_proj",),
    attn_implementation="eager",
    compile=False,
    trust_remote_code=True,
    quantization="bnb-8bit",
)
NOT_CONFIGURED = {"max_requests"}
SERVE = Serve(berths=5, context_tokens=6, cache_tokens=7, batch_tokens=8, max_queue=9)


STATE = State(host_bytes=10)


def test_each_field_is_that_of_its_table() -> None:
    """None is left at its default."""
    settings = Settings(
        model=MODEL, serve=SERVE, state=STATE, admission=Admission(base_models=("*",), base_names="exact")
    )
    resident, engine = resident_spec(settings), engine_spec(settings)
    for one in fields(ResidentSpec):
        known = {"base_models": ("*",), "base_names": "exact", "berths": 5}
        wanted = known[one.name] if one.name in known else getattr(MODEL, one.name)
        assert getattr(resident, one.name) == wanted != one.default, one.name
    for one in (field for field in fields(EngineSpec) if field.name not in NOT_CONFIGURED):
        table = {"compile": MODEL, "host_bytes": STATE}.get(one.name, SERVE)
        wanted = getattr(table, one.name)
        assert getattr(engine, one.name) == wanted != one.default, one.name
