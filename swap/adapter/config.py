"""What an adapter's configuration may say: an allow-list of fields, and a code for each thing that is refused."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hotswapd.swap.codes import ConfigCode
from hotswapd.swap.errors import Misfit

MAX_PATTERNS = 2048
MAX_PATTERN_LENGTH = 512
MAX_LAYER_NAMES = 16
MICA = "mica"
"""An initialisation that freezes B and leaves the base alone: what it trains is plain LoRA."""
MAX_RANK_READ = 1 << 16
"""Ranks above it are refused before PEFT sees them."""

_LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

# Fields that ask for what a frozen base with plain LoRA slots cannot do, and the code of their refusal.
_REFUSED = {
    "use_dora": ConfigCode.DORA,
    "lora_bias": ConfigCode.LORA_BIAS,
    "modules_to_save": ConfigCode.MODULES_TO_SAVE,
    "target_parameters": ConfigCode.TARGET_PARAMETERS,
    "trainable_token_indices": ConfigCode.TRAINABLE_TOKENS,
    "layer_replication": ConfigCode.LAYER_REPLICATION,
    "loftq_config": ConfigCode.INIT_CHANGES_BASE,
    "corda_config": ConfigCode.INIT_CHANGES_BASE,
    "lora_ga_config": ConfigCode.INIT_CHANGES_BASE,
    "alora_invocation_tokens": ConfigCode.ALORA,
    "use_qalora": ConfigCode.QALORA,
    "use_bdlora": ConfigCode.BDLORA,
    "velora_config": ConfigCode.UNSUPPORTED_FIELD,
    "monteclora_config": ConfigCode.UNSUPPORTED_FIELD,
    "arrow_config": ConfigCode.UNSUPPORTED_FIELD,
    "kasa_config": ConfigCode.UNSUPPORTED_FIELD,
    "megatron_config": ConfigCode.UNSUPPORTED_FIELD,
}
# Of these PEFT loads only null, or takes an empty value for a request: `arrow_config` of {} is Arrow by default.
_NULL_ONLY = frozenset(
    (
        "trainable_token_indices",
        "use_bdlora",
        "corda_config",
        "lora_ga_config",
        "velora_config",
        "monteclora_config",
        "arrow_config",
        "kasa_config",
    )
)
_TASKS = (None, "CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS", "TOKEN_CLS", "QUESTION_ANS", "FEATURE_EXTRACTION")
# Fields that have no effect in eval mode, or that are read elsewhere.
_FREE = frozenset(
    (
        "auto_mapping",
        "peft_version",
        "base_model_name_or_path",
        "revision",
        "inference_mode",
        "qalora_group_size",
        "ensure_weight_tying",
    )
)
_HARMLESS_INIT = (True, False, None, "gaussian", "eva", "orthogonal", MICA)
_SPELL_OUT = "name the modules plainly: a pattern is never evaluated, since a hostile one would freeze the server"
_RETRAIN = "train it as plain LoRA, or merge that part into the base"


@dataclass(frozen=True, slots=True)
class LoraFields:
    """The fields that decide what the tensors mean, with PEFT's defaults where the file has none.

    None for the names of modules stands for a pattern, which is never evaluated.
    """

    r: int = 8
    lora_alpha: float = 8
    use_rslora: bool = False
    fan_in_fan_out: bool = False
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    target_modules: tuple[str, ...] | None = None
    exclude_modules: tuple[str, ...] | None = ()
    layers_to_transform: tuple[int, ...] = ()
    layers_pattern: tuple[str, ...] = ()


class _Reader:
    """Reads one field after another and collects what is wrong."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.misfits: list[Misfit] = []

    def refuse(self, code: ConfigCode, place: str, wanted: str, remedy: str, got: object = None) -> None:
        shown = repr(self._config.get(place) if got is None else got)
        self.misfits.append(Misfit(code, place, wanted, shown[:120], remedy))

    def take(
        self,
        place: str,
        default: Any,
        fits: Callable[[Any], bool],
        wanted: str,
        code: ConfigCode = ConfigCode.BAD_FIELD,
    ) -> Any:
        value = self._config.get(place, default)
        if fits(value):
            return value
        self.refuse(code, place, wanted, "correct the field; save_pretrained writes it correctly")
        return default


def examine(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[LoraFields, list[Misfit]]:
    """Read the configuration against the allow-list; `defaults` are those of the installed PEFT's LoraConfig.

    Returns the fields (defaults where a field is wrong) and every misfit.
    """
    reader = _Reader(config)
    _check_kind(reader, config)
    _check_refused(reader, config, defaults)
    fields = LoraFields(
        r=reader.take("r", 8, _is_rank, "a whole number of 1 or more", ConfigCode.BAD_RANK),
        lora_alpha=reader.take("lora_alpha", 8, _is_alpha, "a finite number above 0", ConfigCode.BAD_SCALING),
        use_rslora=reader.take("use_rslora", False, _is_bool, "true or false"),
        fan_in_fan_out=reader.take("fan_in_fan_out", False, _is_bool, "true or false"),
        rank_pattern=_patterns(reader, "rank_pattern", _is_rank, ConfigCode.BAD_RANK),
        alpha_pattern=_patterns(reader, "alpha_pattern", _is_alpha, ConfigCode.BAD_SCALING),
        target_modules=_targets(reader, "target_modules") or None,
        exclude_modules=_targets(reader, "exclude_modules"),
        layers_to_transform=_layers(reader),
        layers_pattern=_layer_names(reader),
    )
    _check_targets(reader, config, fields)
    _check_orthogonal(reader, config, fields)
    reader.take("lora_dropout", 0.0, _is_dropout, "a number from 0 up to 1")
    reader.take("task_type", None, _is_task, "a task that PEFT knows, or null")
    reader.take("eva_config", None, _is_eva, "null, or rho of 1 or more and tau from 0 to 1")
    return fields, reader.misfits


def _check_kind(reader: _Reader, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        reader.refuse(ConfigCode.NOT_LORA, "peft_type", "'LORA'", "only LoRA adapters can be served")
    if config.get("bias", "none") != "none":
        reader.refuse(ConfigCode.BIAS, "bias", "'none'", "train with bias='none': biases belong to the base")
    init = config.get("init_lora_weights", True)
    if not isinstance(init, bool | str | None) or init not in _HARMLESS_INIT:
        remedy = (
            "convert it with save_pretrained(path_initial_model_for_weight_conversion=...), which makes it plain LoRA"
        )
        reader.refuse(
            ConfigCode.INIT_CHANGES_BASE, "init_lora_weights", "an initialisation that leaves the base alone", remedy
        )
    if config.get("megatron_core", "megatron.core") not in (None, "megatron.core"):
        reader.refuse(ConfigCode.UNSUPPORTED_FIELD, "megatron_core", "'megatron.core'", "remove the field")


def _check_refused(reader: _Reader, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    known = set(LoraFields.__slots__) | {"peft_type", "bias", "init_lora_weights", "megatron_core", "lora_dropout"}
    known |= {"task_type", "eva_config"}
    for name, value in config.items():
        if name in known or name in _FREE or _says_nothing(name, value):
            continue
        if name in defaults and value == defaults[name] and type(value) is type(defaults[name]):
            continue
        if name in _REFUSED:
            reader.refuse(_REFUSED[name], name, "nothing", _RETRAIN)
        else:
            reader.refuse(ConfigCode.UNKNOWN_FIELD, name[:80], "a field of plain LoRA", "remove the field", got=value)


def _check_targets(reader: _Reader, config: Mapping[str, Any], fields: LoraFields) -> None:
    """Refuse what PEFT does not combine, and what its versions fill in differently."""
    targets = config.get("target_modules")
    if targets in (None, [], ""):
        remedy = "save it with save_pretrained, which names them: left out, they depend on PEFT's version"
        reader.refuse(ConfigCode.TARGETS_MISSING, "target_modules", "the modules that were trained", remedy)
    if isinstance(targets, str) and (fields.layers_to_transform or fields.layers_pattern):
        remedy = "leave them out: with a pattern for target_modules, PEFT does not load them"
        reader.refuse(ConfigCode.BAD_FIELD, "layers_to_transform", "no choice of layers beside a pattern", remedy)
    elif fields.layers_pattern and config.get("layers_to_transform") is None:
        remedy = "say which layers, or leave it out: PEFT does not load it without them"
        reader.refuse(ConfigCode.BAD_FIELD, "layers_pattern", "layers_to_transform as well", remedy)


def _check_orthogonal(reader: _Reader, config: Mapping[str, Any], fields: LoraFields) -> None:
    odd = [rank for rank in (fields.r, *fields.rank_pattern.values()) if rank % 2]
    if config.get("init_lora_weights") == "orthogonal" and odd:
        remedy = "correct one of both: PEFT does not load an odd rank with this initialisation"
        place = "r" if fields.r % 2 else "rank_pattern"
        reader.refuse(ConfigCode.BAD_RANK, place, "even ranks with init_lora_weights='orthogonal'", remedy, got=odd[0])


def _says_nothing(name: str, value: Any) -> bool:
    if value is None or name in _NULL_ONLY:
        return value is None
    if value == "" and name in _REFUSED:
        return False  # PEFT takes no text there, not even an empty one
    return value is False or (isinstance(value, str | list | dict) and not value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_rank(value: Any) -> bool:
    return type(value) is int and value >= 1


def _is_map(value: Any) -> bool:
    return isinstance(value, dict)


def _is_alpha(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0


def _is_dropout(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1


def _is_task(value: Any) -> bool:
    return isinstance(value, str | None) and value in _TASKS


def _is_eva(value: Any) -> bool:
    """Tell whether PEFT loads it; its content only mattered when the training began."""
    if not isinstance(value, dict):
        return value is None
    rho, tau = value.get("rho", 2.0), value.get("tau", 0.99)
    return type(rho) in (int, float) and type(tau) in (int, float) and rho >= 1 and 0 <= tau <= 1


def is_literal(pattern: str) -> bool:
    """Tell whether a pattern matches only what it spells, apart from a leading ``^`` and dots."""
    return 0 < len(pattern) <= MAX_PATTERN_LENGTH and _LITERAL.issuperset(pattern.removeprefix("^"))


def _patterns(reader: _Reader, place: str, fits: Callable[[Any], bool], code: ConfigCode) -> Mapping[str, Any]:
    value = reader.take(place, {}, _is_map, "a map from names to numbers")
    if len(value) > MAX_PATTERNS:
        reader.refuse(ConfigCode.TOO_MANY_PATTERNS, place, f"at most {MAX_PATTERNS} entries", _RETRAIN, got=len(value))
        return {}
    regular = [key for key in value if not is_literal(key)]
    if regular:
        wanted = "plain module names, at most with a leading ^"
        reader.refuse(ConfigCode.PATTERN_NOT_LITERAL, place, wanted, _SPELL_OUT, got=regular[0])
        return {}
    wrong = [number for number in value.values() if not fits(number)]
    if wrong:
        reader.refuse(code, place, "numbers as in the field it overrides", "correct the field", got=wrong[0])
        return {}
    return dict(value)


def _targets(reader: _Reader, place: str) -> tuple[str, ...] | None:
    """Read plain names; None stands for a pattern, which is not evaluated."""
    value = reader.take(place, None, _is_names_or_pattern, "a list of module names") or []
    return None if isinstance(value, str) else tuple(value)


def _is_names_or_pattern(value: Any) -> bool:
    return value is None or isinstance(value, str) or _is_names(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _layers(reader: _Reader) -> tuple[int, ...]:
    def fits(value: Any) -> bool:
        numbers = value if isinstance(value, list) else [value]
        return value is None or all(type(number) is int and number >= 0 for number in numbers)

    value = reader.take("layers_to_transform", None, fits, "layer numbers")
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


def _layer_names(reader: _Reader) -> tuple[str, ...]:
    value = reader.take("layers_pattern", None, _is_names_or_pattern, "a name or a list of names")
    names = (value,) if isinstance(value, str) and value else tuple(value or ())
    if len(names) > MAX_LAYER_NAMES:
        reader.refuse(ConfigCode.TOO_MANY_PATTERNS, "layers_pattern", f"at most {MAX_LAYER_NAMES} names", _SPELL_OUT)
        return ()
    if all(is_literal(name) for name in names):
        return names
    reader.refuse(ConfigCode.PATTERN_NOT_LITERAL, "layers_pattern", "plain names", _SPELL_OUT)
    return ()
