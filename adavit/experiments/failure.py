"""Why a cell failed, in one line."""

import errno

from adavit.config.short_names import in_keys
from adavit.errors import RunError, UserError, first_line
from adavit.runtime.device_failure import failed_device, is_device_failure
from adavit.runtime.exhaustion import is_out_of_memory
from adavit.runtime.memory_advice import out_of_memory

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_foreseen(error: Exception) -> bool:
    """Whether it says in one line what was wrong; any other error needs its traceback."""
    is_known = is_out_of_memory(error) or is_device_failure(error)
    return isinstance(error, UserError | RunError) or is_known


def reason_of(error: Exception) -> str:
    """What was wrong, with remedies that a whole experiment takes.

    Args:
        error: What ended a run. Its notes are said first: which of several processes it comes from.
    """
    if isinstance(error, UserError | RunError):
        reason = in_keys(str(error).strip())
    elif is_out_of_memory(error):
        reason = out_of_memory(["ablate"])  # `adavit sweep` has the same options
    elif is_device_failure(error):
        reason = failed_device(error)
    else:
        reason = f"{type(error).__name__}: {first_line(error)}"
    return "".join(f"{note}: " for note in getattr(error, "__notes__", ())) + reason
