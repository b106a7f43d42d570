"""From the configuration to what the resident and its engine take: their fields, written once."""

from hotswapd.swap.resident.spec import ResidentSpec
from hotswapd.swap.rows.spec import EngineSpec

from .settings import Settings


def resident_spec(settings: Settings) -> ResidentSpec:
    """Describe the base model and its slots."""
    model = settings.model
    return ResidentSpec(
        base=model.base,
        revision=model.revision,
        dtype=model.dtype,
        device=model.device,
        max_rank=model.max_rank,
        target_modules=model.target_modules,
        attn_implementation=model.attn_implementation,
        base_models=settings.admission.base_models,
        base_names=settings.admission.base_names,
        trust_remote_code=model.trust_remote_code,
        quantization=model.quantization,
        berths=settings.serve.berths,
    )


def engine_spec(settings: Settings) -> EngineSpec:
    """Describe the sizes of what serves."""
    serve = settings.serve
    return EngineSpec(
        context_tokens=serve.context_tokens,
        cache_tokens=serve.cache_tokens,
        batch_tokens=serve.batch_tokens,
        max_queue=serve.max_queue,
        compile=settings.model.compile,
        host_bytes=settings.state.host_bytes,
    )
