"""Recording on a device that is none; what CUDA records is in `tests/gpu/test_graphs.py`."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.runtime.device_graphs import DeviceGraphs, Work


class Graph:
    """One that holds what is done between beginning and end, as CUDA's does, and can fail at its end as that does."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def capture_begin(self, **keywords: Any) -> None:
        self.told.append(f"begin in {keywords['pool']}, {keywords['capture_error_mode']}")

    def capture_end(self) -> None:
        self.told.append("end")
        if "failed" in self.told:
            raise RuntimeError("operation failed due to a previous error during capture")

    def replay(self) -> None:
        self.told.append("replay")


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    pools = itertools.count(1)
    graph, streams = Graph(), [SimpleNamespace(device="cuda:0", wait_stream=lambda other: None)]

    @contextlib.contextmanager
    def entered(stream: Any) -> Iterator[None]:
        yield

    for name, value in {
        "Stream": lambda device: streams[0],
        "current_stream": lambda device: streams[0],
        "stream": entered,
        "MemPool": lambda: SimpleNamespace(id=f"pool {next(pools)}"),
        "use_mem_pool": lambda pool, device: entered(pool),
        "CUDAGraph": lambda: graph,
        "synchronize": lambda device: None,
        "empty_cache": lambda: graph.told.append("freed"),
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    return graph


def recorded(graphs: DeviceGraphs, work: Work) -> tuple[Callable[[], None], list[Tensor]]:
    """As training does: aside, then on record."""
    with graphs.aside():
        pass
    return graphs.record(work)


def test_memory_is_made_where_it_is_used(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(torch.cuda, "MemPool", lambda: made.append(None) or SimpleNamespace(id=1))
    graphs = DeviceGraphs(torch.device("cuda:0"))
    assert not made
    recorded(graphs, list)
    assert len(made) == 1


def test_work_is_recorded_in_memory_of_its_own_and_done_by_replays(graph: Graph) -> None:
    place = torch.zeros(2)

    def work() -> list[Tensor]:
        graph.told.append("work")
        return [place]

    replay, left = recorded(DeviceGraphs(torch.device("cuda:0")), work)
    replay()
    assert graph.told == ["freed", "begin in pool 1, thread_local", "work", "end", "replay"]
    assert left[0] is place


def test_the_error_that_broke_a_recording_is_the_one_that_is_told(graph: Graph) -> None:
    def work() -> list[Tensor]:
        graph.told.append("failed")
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        recorded(DeviceGraphs(torch.device("cuda:0")), work)
    assert graph.told[-1] == "end"


def test_what_cannot_be_recorded_is_told_with_the_remedy(graph: Graph) -> None:
    def work() -> list[Tensor]:
        graph.told.append("failed")
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    with pytest.raises(UserError, match=r"not permitted .*--set training.graphs=false"):
        recorded(DeviceGraphs(torch.device("cuda:0")), work)


def test_graphs_share_memory_which_is_new_when_none_is_left(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    graphs = DeviceGraphs(torch.device("cuda:0"))
    used = []
    kept = []
    for keeps in (True, True, False):
        replay, _ = recorded(graphs, list)
        used.append(replay.__self__.told[0])  # type: ignore[attr-defined]
        kept.append(replay)
        if not keeps:
            kept.clear()
        del replay
    replay, _ = recorded(graphs, list)
    used.append(replay.__self__.told[0])  # type: ignore[attr-defined]
    first, *others = (line.split(",")[0] for line in used)
    assert others == [first, first, "begin in pool 2"]
