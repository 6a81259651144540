"""Hypothesis without deadlines (the first call of a kernel compiles it) and with a fixed stream of cases.

Without an NVIDIA driver Triton interprets its kernels, which has to be said before anything imports it.
"""

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
if shutil.which("nvidia-smi") is None:
    os.environ.setdefault("TRITON_INTERPRET", "1")

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def _nothing_is_warm_where_code_is_patched(request):
    """What a patch reaches must not depend on which solvers the tests before it, in the same process, have run."""
    if "monkeypatch" in request.fixturenames:
        from solvers._framework import warm_up

        request.getfixturevalue("monkeypatch").setattr(warm_up, "_warm", set())
