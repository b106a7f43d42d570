"""Adapters whose configuration and header are well-formed JSON and say whatever hypothesis thinks of."""

import json
from typing import Any

from hypothesis import strategies as st
from peft import LoraConfig

from .fuzz_mutants import Pair

_FIELDS = (*sorted(LoraConfig().to_dict()), "unheard_of")
_DTYPES = ("F32", "F16", "BF16", "F64", "I8", "I32", "BOOL", "F8_E4M3", "F4", "X")
_names = st.sampled_from(("q_proj", "v_proj", "self_attn.q_proj", "layers.0.self_attn.v_proj", "^model", "model", "0"))
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 70)
    | st.integers(0, 2**70)
    | st.floats()
    | st.text(max_size=5)
    | _names
    | st.sampled_from(("none", "all", "CAUSAL_LM", "SEQ_CLS", "LORA", "gaussian", "pissa", "eva", "all-linear"))
)
_anything = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names | st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_likely: dict[str, st.SearchStrategy[Any]] = {
    "r": st.integers(1, 9),
    "lora_alpha": st.floats(0.01, 3000) | st.integers(1, 5000),
    "use_rslora": st.booleans(),
    "rank_pattern": st.dictionaries(_names, st.integers(1, 9), max_size=3),
    "alpha_pattern": st.dictionaries(_names, st.integers(1, 99) | st.floats(0.1, 9), max_size=3),
    "exclude_modules": st.lists(_names, max_size=2) | _names,
    "target_modules": st.lists(_names, max_size=4) | _names,
    "layers_to_transform": st.lists(st.integers(-1, 3), max_size=3) | st.integers(0, 2),
    "layers_pattern": st.sampled_from(("layers", "h", "", "model", ["layers"])),
    "lora_dropout": st.floats(0, 1),
    "init_lora_weights": st.sampled_from((True, False, "gaussian", "orthogonal", "eva", "pissa")),
    "task_type": st.sampled_from((None, "CAUSAL_LM", "SEQ_CLS", "FEATURE_EXTRACTION", "SEQ_2_SEQ_LM")),
}
_offsets = st.integers(-1, 5000) | st.integers(0, 2**66)


@st.composite
def mutants(draw: st.DrawFn, pairs: list[Pair]) -> Pair:
    """Change some fields of a good adapter's configuration, or some entries of its header."""
    pair = draw(st.sampled_from(pairs))
    if draw(st.booleans()):
        return Pair(_configuration(draw, json.loads(pair.config)), pair.weights)
    return pair.with_header(_header(draw, json.loads(pair.header), len(pair.data)))


def _configuration(draw: st.DrawFn, fields: dict[str, Any]) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(_FIELDS))
        if draw(st.integers(0, 9)) == 0:
            fields.pop(name, None)
        elif draw(st.booleans()):
            fields[name] = draw(_likely.get(name, _anything))
        else:
            fields[name] = draw(_anything)
    return json.dumps(fields, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")


def _header(draw: st.DrawFn, entries: dict[str, Any], size: int) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(entries) or ["x"]))
        draw(st.sampled_from((_retype, _reshape, _move, _rename, _exchange, _replace)))(draw, entries, name)
    if draw(st.booleans()):
        entries = dict(draw(st.permutations(sorted(entries.items(), key=str))))
    spaces = draw(st.sampled_from((None, (", ", ": "), (",", ":"))))
    text = json.dumps(entries, separators=spaces).encode()
    return text + b" " * draw(st.integers(0, 9))


def _retype(draw: st.DrawFn, entries: dict[str, Any], name: str) -> None:
    _set(entries, name, "dtype", draw(st.sampled_from(_DTYPES)))


def _reshape(draw: st.DrawFn, entries: dict[str, Any], name: str) -> None:
    _set(entries, name, "shape", draw(st.lists(st.integers(0, 100) | st.integers(0, 2**65), max_size=4) | _anything))


def _move(draw: st.DrawFn, entries: dict[str, Any], name: str) -> None:
    _set(entries, name, "data_offsets", draw(st.lists(_offsets, max_size=3)))


def _set(entries: dict[str, Any], name: str, key: str, value: Any) -> None:
    if isinstance(entries.get(name), dict):
        entries[name][key] = value


def _rename(draw: st.DrawFn, entries: dict[str, Any], name: str) -> None:
    old = draw(st.sampled_from(("lora_A", "lora_B", ".weight", "base_model.", "layers.0", "q_proj", "__metadata__")))
    new = draw(st.sampled_from(("lora_A", "lora_B", "lora_A.default", ".bias", "", "layers.1", "layers.7", "k_proj")))
    if name in entries:
        entries[name.replace(old, new)] = entries.pop(name)


def _exchange(draw: st.DrawFn, entries: dict[str, Any], name: str) -> None:
    other = draw(st.sampled_from(sorted(entries) or ["x"]))
    if name in entries and other in entries:
        entries[name], entries[other] = entries[other], entries[name]


def _replace(draw: st.DrawFn, entries: dict[str, Any], name: str) -> None:
    if draw(st.booleans()):
        entries.pop(name, None)
    else:
        entries[draw(st.text(max_size=4) | st.just(name))] = draw(_anything)
