"""Which tests of the corpus run when: all of them in `make corpus`."""

import os

import pytest

in_full = bool(os.environ.get("HOTSWAPD_TEST_CORPUS"))
only_in_full = pytest.mark.skipif(not in_full, reason="it needs servers and many tries: `make corpus` runs it")
