"""For tests on a real Ray: whoever imports this first is skipped, and needs no Ray, unless `make fleet` runs it."""

import os
import warnings

import pytest

if not os.environ.get("HOTSWAPD_TEST_FLEET"):
    pytest.skip("`make fleet` runs it: it takes minutes", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray's own, at its import
    import kits.fleet_http
    import kits.fleet_ray  # noqa: F401 - with these two, all of Ray that tests use is imported


def within(seconds: int) -> list[pytest.MarkDecorator]:
    """Return the marks of such a module, whose tests may take so many seconds each."""
    return [pytest.mark.timeout(seconds), pytest.mark.filterwarnings("ignore")]
