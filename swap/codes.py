"""Why an adapter, a request or a device is refused: every stable code that this package gives.

Importing this imports no torch.
"""

from hotswapd.codes import Code

_BROKEN = "broken, not UTF-8, NaN or an absurd number, a key twice, nested without end"
_NOT_STRICT = (f"the configuration is not strict JSON: {_BROKEN}", "save it again")
_HEADER_NOT_STRICT = ("the header is not strict JSON", "save it again")
_HOLES = "the file is shorter or longer than its header says, or its data overlap or leave holes"
_CUT_OFF = (_HOLES, "save the adapter again; it was probably cut off")
_TOO_MUCH_HEADER = ("the header is over 1 MiB, or names more than 20,000 tensors", "save only the adapter")
_BAD_ENTRY = ("an entry is not what safetensors prescribes", "save it with the safetensors library")
_PART = "a kind of adapter, or a part of one, that is not plain LoRA"
_NOT_PLAIN = (_PART, "train it as plain LoRA, or merge that part into the base")


class FilesCode(Code):
    """What is wrong with an adapter's directory or one of its two files."""

    CONFIG_MISSING = "config_missing", "`adapter_config.json` cannot be read", "save the adapter again"
    CONFIG_TOO_LARGE = (
        "config_too_large",
        "the configuration is larger than any that PEFT writes",
        "save it again with `save_pretrained`",
    )
    CONFIG_NOT_JSON = ("config_not_json", *_NOT_STRICT)
    CONFIG_NOT_UTF8 = ("config_not_utf8", *_NOT_STRICT)
    CONFIG_BAD_NUMBER = ("config_bad_number", *_NOT_STRICT)
    CONFIG_DUPLICATE_KEY = ("config_duplicate_key", *_NOT_STRICT)
    CONFIG_TOO_DEEP = ("config_too_deep", *_NOT_STRICT)
    WEIGHTS_MISSING = "weights_missing", "`adapter_model.safetensors` cannot be read", "save the adapter again"
    GIT_LFS_POINTER = (
        "git_lfs_pointer",
        "the file is a Git LFS pointer: the checkout has the names of its large files, and not the files",
        "`git lfs pull` in the checkout",
    )
    MLX_ADAPTER = (
        "mlx_adapter",
        "the files are those of MLX, whose tensors have other names and another layout than PEFT's",
        "convert it to PEFT's format, or train it with PEFT",
    )
    MERGED_MODEL = (
        "merged_model",
        "the files are those of a whole model, perhaps one that an adapter was merged into",
        "publish the adapter as it was before `merge_and_unload`, or serve the model as a base",
    )
    PICKLE_REFUSED = (
        "pickle_refused",
        "the weights are a pickle, which can run code",
        "save with `safe_serialization=True`",
    )


class HeaderCode(Code):
    """What is wrong with the header of the weights file, or with the bytes behind it."""

    TRUNCATED = ("header_truncated", *_CUT_OFF)
    LENGTH = ("header_length", *_CUT_OFF)
    COVERAGE = ("header_coverage", *_CUT_OFF)
    OFFSETS = ("header_offsets", *_CUT_OFF)
    NOT_JSON = ("header_not_json", *_HEADER_NOT_STRICT)
    NOT_UTF8 = ("header_not_utf8", *_HEADER_NOT_STRICT)
    BAD_NUMBER = ("header_bad_number", *_HEADER_NOT_STRICT)
    DUPLICATE_KEY = ("header_duplicate_key", *_HEADER_NOT_STRICT)
    TOO_DEEP = ("header_too_deep", *_HEADER_NOT_STRICT)
    TOO_LARGE = ("header_too_large", *_TOO_MUCH_HEADER)
    TOO_MANY = ("header_too_many", *_TOO_MUCH_HEADER)
    ENTRY = ("header_entry", *_BAD_ENTRY)
    DTYPE = ("header_dtype", *_BAD_ENTRY)
    SHAPE = ("header_shape", *_BAD_ENTRY)
    NAME = ("header_name", *_BAD_ENTRY)
    METADATA = ("header_metadata", *_BAD_ENTRY)
    CUT_SHORT = "weights_cut_short", "the file ended while it was read", "save it again"


class ConfigCode(Code):
    """What is wrong with a field of the configuration."""

    NOT_LORA = "not_lora", "`peft_type` is not LORA", "only LoRA can be served"
    BAD_FIELD = (
        "bad_field",
        "a field has a value that PEFT would not take, or two exclude each other",
        "correct the field; `save_pretrained` writes it correctly",
    )
    BAD_RANK = "bad_rank", "a rank is not a whole number of 1 or more, or is absurd", "correct it"
    RANK_OUT_OF_RANGE = "rank_out_of_range", "a rank is not a whole number of 1 or more, or is absurd", "correct it"
    BAD_SCALING = (
        "bad_scaling",
        "alpha is not above 0, or the scaling that follows is absurd",
        "check `lora_alpha`, `alpha_pattern`, `use_rslora`",
    )
    UNKNOWN_FIELD = (
        "unknown_field",
        "a field that plain LoRA does not have (over HTTP: a field that the request does not have)",
        "remove it",
    )
    UNSUPPORTED_FIELD = (
        "unsupported_field",
        "a field that changes what the tensors mean in a way that is not served",
        "train as plain LoRA",
    )
    TARGETS_MISSING = (
        "targets_missing",
        "`target_modules` is empty",
        "save with `save_pretrained`, which names them",
    )
    PATTERN_NOT_LITERAL = (
        "pattern_not_literal",
        "a pattern is a regular expression, which is never evaluated",
        "spell the modules out",
    )
    TOO_MANY_PATTERNS = "too_many_patterns", "more patterns than any training needs", "train as plain LoRA"
    DORA = ("dora", *_NOT_PLAIN)
    BIAS = ("bias", *_NOT_PLAIN)
    LORA_BIAS = ("lora_bias", *_NOT_PLAIN)
    MODULES_TO_SAVE = ("modules_to_save", *_NOT_PLAIN)
    TARGET_PARAMETERS = ("target_parameters", *_NOT_PLAIN)
    TRAINABLE_TOKENS = ("trainable_tokens", *_NOT_PLAIN)
    LAYER_REPLICATION = ("layer_replication", *_NOT_PLAIN)
    ALORA = ("alora", *_NOT_PLAIN)
    QALORA = ("qalora", *_NOT_PLAIN)
    BDLORA = ("bdlora", *_NOT_PLAIN)
    INIT_CHANGES_BASE = (
        "init_changes_base",
        "PiSSA, LoftQ, CorDA and their kin changed the base while training",
        "convert it with `save_pretrained(path_initial_model_for_weight_conversion=...)`",
    )
    OTHER_BASE = (
        "other_base",
        "it was trained for another base, by name",
        "the sentence has the line for `[admission]` that admits it",
    )
    BASE_RELATED = (
        "base_related",
        "a warning: it names another model of this base's family, which its tensors fit too",
        "train it for this base; if it was, name it in `admission.base_models`",
    )
    BASE_UNNAMED = (
        "base_unnamed",
        "a warning: it does not name its base; all of its shapes fit this one",
        "set `base_model_name_or_path`",
    )
    BASE_DIFFERS = (
        "base_differs",
        "it was published for a base with other weights or tensors, by the fingerprint in its manifest",
        "publish it against the base that is served",
    )
    OTHER_BASE_REVISION = (
        "other_base_revision",
        "it was trained for another revision of the base",
        "train it for this one, or set `model.revision`",
    )
    FAN_IN_FAN_OUT = "fan_in_fan_out", "it says that a Linear module is a Conv1D", "it is for another base"


class TensorCode(Code):
    """What is wrong with an adapter's tensors."""

    NO_TENSORS = "no_tensors", "the file has no slot's A and B", "check what training saved"
    MISSING_PAIR = "missing_pair", "a module has A without B, or B without A", "save it again"
    MISSING_TENSORS = (
        "missing_tensors",
        "modules that `target_modules` names have no tensors",
        "save it again, or correct `target_modules`",
    )
    UNTARGETED_TENSORS = (
        "untargeted_tensors",
        "tensors of modules that `target_modules` does not name",
        "save configuration and tensors together",
    )
    DUPLICATE_TENSOR = "duplicate_tensor", "one tensor twice, with and without `.default`", "keep one"
    UNKNOWN_TARGET = (
        "unknown_target",
        "a tensor belongs to no module of this base; the nearest is named",
        "rename it, or train for this base",
    )
    NO_SLOT = (
        "no_slot",
        "the module exists, but has no slot here",
        "widen `model.target_modules` and restart",
    )
    EMBEDDINGS = (
        "embeddings",
        "embeddings, `lm_head`, or fused experts",
        "leave them out of `target_modules`",
    )
    NOT_LINEAR = (
        "not_linear",
        "the module is neither a Linear nor a Conv1D, such as the router of experts, or PEFT gives it no layer",
        "leave it out of `target_modules`",
    )
    BESIDE_LANGUAGE = (
        "beside_language",
        "the module reads images or sound, and this base is served for text only",
        "train the language model alone, e.g. with `target_modules` that name it",
    )
    TASK_HEAD = (
        "task_head",
        "the tensor is a head for classification or scoring, which a language model does not have",
        "train it as a causal language model",
    )
    EXPERT_TENSORS = (
        "expert_tensors",
        "embeddings, `lm_head`, or fused experts",
        "leave them out of `target_modules`",
    )
    BASE_WEIGHTS = "base_weights", "the file has weights of the base", "save only the adapter"
    RANK_TOO_HIGH = (
        "rank_too_high",
        "the rank is above `model.max_rank`",
        "train with a lower rank, or raise it and restart",
    )
    RANK_MISMATCH = (
        "rank_mismatch",
        "a tensor's shape is not what configuration and base say",
        "save both together; or it is for another base",
    )
    SHAPE_MISMATCH = (
        "shape_mismatch",
        "a tensor's shape is not what configuration and base say",
        "save both together; or it is for another base",
    )
    DTYPE_REFUSED = "dtype_refused", "neither float32, float16 nor bfloat16", "save it in one of these"
    NON_FINITE = "non_finite", "NaN or infinity, perhaps only in the served dtype", "look at the training run"
    MORE = "more", "there are more misfits than are listed", "fix the first ones"


class GateCode(Code):
    """Why a gate refused a candidate, or warned of it."""

    CHAT_TEMPLATE_DIFFERS = (
        "chat_template_differs",
        "another chat template than the base's lies beside it, and the base's is what answers",
        "train with the base's, or set `admission.tokenizer`",
    )
    ADDED_TOKENS_DIFFER = (
        "added_tokens_differ",
        "its tokenizer has tokens that the base does not have, so nobody can send them",
        "train without them, or set `admission.tokenizer`",
    )
    TOKENIZER_UNREADABLE = (
        "tokenizer_unreadable",
        "the tokenizer's files beside it cannot be parsed",
        "save them again, or remove them",
    )
    UPDATE_TOO_LARGE = (
        "update_too_large",
        "the update is larger than the weights it is added to allow",
        "look at `lora_alpha` and the training run",
    )
    UPDATE_OUTGROWN = "update_outgrown", "it is much larger than those that were live before", "the same"
    PROBE_NOT_FINITE = (
        "probe_not_finite",
        "NaN or infinite logits on the built-in texts",
        "look at the training run, and at `model.dtype`",
    )
    PROBE_OUT_OF_RANGE = (
        "probe_out_of_range",
        "absurdly large logits",
        "look at `lora_alpha` and the training run",
    )
    PROBE_COLLAPSED = (
        "probe_collapsed",
        "one token comes first nearly everywhere",
        "look at the data and its labels",
    )
    PROBE_FORGOTTEN = "probe_forgotten", "it has unlearned its language", "look at learning rate and labels"
    REPLAY_DIFFERS = (
        "replay_differs",
        "it finds what the live generation has just answered nearly as unlikely as the base does, or more",
        "look at the training run; publish another task to a channel of its own, or set `verify.replay.outcome`",
    )
    REPLAY_UNDECIDED = (
        "replay_undecided",
        "the live generation's answers do not tell whether it is a successor; it is not refused for that",
        "nothing, or judge by a dataset of your own",
    )
    NO_CHANGE = "no_change", "it answers exactly as the base does", "was it saved before it was trained?"
    GOLDEN_PROMPT = (
        "golden_prompt",
        "an answer to one of your prompts does not meet its condition",
        "see the sentence",
    )
    DATASET_WORSE = (
        "dataset_worse",
        "its perplexity on your texts is too far above the live one's or the base's",
        "see the numbers",
    )
    VERIFY_TIMEOUT = (
        "verify_timeout",
        "the gates took longer than `verify.timeout`",
        "raise it, or give them less to do",
    )
