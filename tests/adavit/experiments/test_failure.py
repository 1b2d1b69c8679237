import errno

import pytest
import torch

from adavit.errors import RunError, UserError
from adavit.experiments.failure import is_foreseen, reason_of


@pytest.mark.parametrize(
    ("error", "reason", "foreseen"),
    [
        (UserError("Use --resolution 32."), "Use --set data.resolution=32.", True),
        (RunError("training diverged"), "training diverged", True),
        (ZeroDivisionError("one\ntwo"), "ZeroDivisionError: one", False),
        (OSError(errno.EIO, "no good"), "OSError: [Errno 5] no good", False),
    ],
)
def test_one_line_and_whether_more_is_needed(error: Exception, reason: str, foreseen: bool) -> None:
    assert (reason_of(error), is_foreseen(error)) == (reason, foreseen)


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("Tried to allocate")])
def test_want_of_memory_is_told_with_options_that_there_are(error: Exception) -> None:
    error.add_note("rank 1 of 2 (process 7 on here)")
    assert is_foreseen(error)
    reason = reason_of(error)
    assert reason.startswith("rank 1 of 2 (process 7 on here): out of memory. Expected")
    assert "Fewer --workers, or --set training.microbatch=4" in reason
