"""One part of the suite in a process of its own: what it does to its memory or to the device ends with it."""

import importlib
import json
import sys
import traceback
from pathlib import Path

from benchmarks.gpu.bench import Bench
from benchmarks.gpu.findings import Findings, explained


def main() -> int:
    """Calls "module:function" of the command line; 1 where it raises."""
    target, path, told = sys.argv[1:]
    found = Findings(Path(path))
    module, _, function = target.partition(":")
    try:
        bench = Bench.told(**json.loads(told))
        getattr(importlib.import_module(module), function)(bench, found)
    except Exception as error:  # noqa: BLE001  a report of it is what is wanted
        traceback.print_exc()
        found.failures.append({"what": "the part", **explained(error)})
        found.fact("complete", False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
