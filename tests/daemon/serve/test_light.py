"""The HTTP API without a model: a fleet's ingress starts with it, and does not wait for packages that it never uses."""

import subprocess
import sys

import pytest


def loaded_by(module: str, *names: str) -> list[str]:
    """Name which of these modules are loaded in a process that imports this one."""
    code = f"import sys, {module}; print(*[name for name in {names!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_the_api_loads_no_model() -> None:
    assert loaded_by("hotswapd.daemon.serve.app", "torch", "transformers", "peft", "hotswapd.swap.engine") == []


def test_an_ingress_loads_a_tokenizer_and_nothing_that_trains_or_computes() -> None:
    """What loads the tokenizer imports torch by itself."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ingress = "hotswapd.daemon.fleet.serving.ingress"
    assert loaded_by(ingress, "peft", "transformers.modeling_utils", "hotswapd.swap.engine") == []
