"""Contract tests; the shipped ones tell as much as our own when they fail."""

import pytest

pytest.register_assert_rewrite("core.testing.contract")
