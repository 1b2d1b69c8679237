"""Whether the other processes of a run are still there, and which of them speaks when it ends early.

Each process writes to torchrun's store every now and then that it is alive. One that is frozen no longer does, however
long the others have worked on something else; one that was killed is missing at once on its own machine. The first to
notice says so, in one line, and all end.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import torch.distributed as dist

from adavit.errors import RunError, UserError
from adavit.runtime.place import Place
from adavit.runtime.rendezvous import KEEPER, Absent, Peer, meet, sibling, torchrun_keeps_it
from adavit.runtime.signals import Stopped, give_back, stopping_signals
from adavit.runtime.world import OutOfReach

PATIENCE_S = 25.0
"""A process that has not been heard of for so long is given up."""

PATIENCE_AT_FIRST = 1.6
"""Times that: for a process of this machine that has not come, since it imports torch for longer than the others."""

BEATS = 12
"""Signs of life in that time."""

PRECEDENCE_S = 3.0
"""What goes wrong in all processes alike is rank 0's to tell; so long another one waits for it."""

_REPORT = "TORCHELASTIC_ERROR_FILE"


class Peers:
    """Watches the other processes from a thread of its own while entered.

    Args:
        store: torchrun's, for the use of this object alone.
        place: Of this process.
        patience_s: A process that has not been heard of for so many seconds is given up.

    Attributes:
        remedy: What is left and how to go on, in sentences; told with what went wrong.
        device: Of this process, in words, where it has one of its own; told with what went wrong in it alone.
    """

    def __init__(self, store: dist.Store, place: Place, *, patience_s: float = PATIENCE_S) -> None:
        self.remedy = self.device = ""
        self._store = store
        self._place = place
        self._patience_s = patience_s
        self._others = [rank for rank in range(place.size) if rank != place.rank]
        self._known: dict[int, Peer] = {}
        self._heard = {rank: (b"", time.monotonic()) for rank in self._others}
        self._answered = time.monotonic()
        # Exit code of who has ended. `_look` asks the store nothing, which may be frozen.
        self._end: int | None = None
        self._is_gone = False  # the store, with who kept it
        self._over = threading.Event()
        self._lock = threading.Lock()  # a store serves one thread at a time
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._listen, self._look)
        ]

    def __enter__(self) -> Self:
        """Waits until all have come.

        Raises:
            RunError: If one has not; it names it.
            SystemExit: If another process has told why the run ends.
        """
        patience_s = self._patience_s * PATIENCE_AT_FIRST
        try:
            self._known = meet(
                self._store,
                self._place,
                patience_s=patience_s,
                is_over=lambda: self._ended() is not None,
            )
        except Absent as absent:
            raise self._without(absent) from None
        except RuntimeError:
            raise self._lost(self._keeper, "has gone") from None
        ended = self._ended()
        if ended is not None:
            raise SystemExit(ended)
        now = time.monotonic()
        self._heard = {rank: (b"", now) for rank in self._others}
        self._answered = now
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        end = time.monotonic() + self._patience_s
        for thread in self._threads:  # one that the store answers while Python ends brings it down
            thread.join(timeout=max(0.0, end - time.monotonic()))
        with contextlib.suppress(RuntimeError), self._asked() as store:
            store.set(f"left/{self._place.rank}", "")
            if self._keeper != self._place.rank:
                return
            end = time.monotonic() + PRECEDENCE_S  # they may still ask it what has happened
            known = [rank for rank, peer in self._known.items() if not peer.is_gone()]
            while not store.check([f"left/{r}" for r in known]) and time.monotonic() < end:
                time.sleep(0.02)

    def ending(self, error: BaseException) -> BaseException:
        """What a process is to end with that cannot go on: one of all tells why, the others end silently.

        Args:
            error: What happened here.

        Returns:
            The error, with the name of this process as its note where not all have it; a `RunError` that names the
            process that is missing; or `SystemExit`, where another one has told.
        """
        with _deaf():
            return self._ending(error)

    def _ending(self, error: BaseException) -> BaseException:
        if isinstance(error, OutOfReach):
            return self._without_others()
        code = _code(error)
        if self._place.rank and isinstance(error, Stopped | KeyboardInterrupt):
            return SystemExit(code)  # all were asked to stop
        if self._place.rank:
            ended = self._wait_for_another(PRECEDENCE_S)
            if ended is not None:
                return SystemExit(ended)
        if not self._is_first(code):
            return SystemExit(code)
        if self._place.rank:
            error.add_note(self._place.name(self.device))
        self._note_in_report(f"{type(error).__name__}: {error}")
        return error

    def _without_others(self) -> BaseException:
        """Something that all take part in was not done: finds out who is missing."""
        end = time.monotonic() + self._patience_s + 2 * self._interval_s
        while time.monotonic() < end and not self._is_gone:
            ended = self._ended()
            if ended is not None:
                return SystemExit(ended)
            for rank in self._others:
                if self._known[rank].is_gone():
                    ended = self._ended()  # it may have told why before it went
                    if ended is not None:
                        return SystemExit(ended)
                    return self._lost(rank, "was killed, perhaps since memory ran out")
            time.sleep(0.1)
        return self._lost(self._keeper, "has gone")

    def _without(self, absent: Absent) -> BaseException:
        """The end where one has not come."""
        peer = sibling(self._place, absent.rank)
        if peer is not None:
            self._known[absent.rank] = peer
        ending = self._lost(absent.rank, f"has not come within {absent.waited_s:.0f} s")
        if isinstance(ending, RunError):
            self._end_frozen(absent.rank)
            if self._keeper == self._place.rank:
                time.sleep(PRECEDENCE_S)  # the others may still ask what has happened
        return ending

    def _lost(self, rank: int | None, what: str) -> BaseException:
        if not self._is_first(1):
            return SystemExit(1)
        text = self._sentence(rank, what)
        self._note_in_report(text)
        return RunError(text)

    def _sentence(self, rank: int | None, what: str) -> str:
        whom = KEEPER
        if rank is not None:
            whom = f"rank {rank} of {self._place.size}"
            if rank in self._known:
                peer = self._known[rank]
                whom = f"{whom} (process {peer.process} on {peer.host})"
        return f"{whom} {what}, expected all of them to the end. {self.remedy}".rstrip()

    @property
    def _keeper(self) -> int | None:
        """The rank that keeps the store; None where torchrun itself does."""
        return None if torchrun_keeps_it() else 0

    @contextlib.contextmanager
    def _asked(self) -> Iterator[dist.Store]:
        """The store for this thread alone; a `RuntimeError` where another one waits for its answer in vain."""
        if self._is_gone or not self._lock.acquire(timeout=self._interval_s):
            raise RuntimeError("the store does not answer")
        try:
            yield self._store
        except dist.DistNetworkError:
            self._is_gone = True
            raise
        finally:
            self._lock.release()

    @property
    def _interval_s(self) -> float:
        return self._patience_s / BEATS

    def _wait_for_another(self, seconds: float) -> int | None:
        """The exit code of a process that has told why it ends; None where none has."""
        end = time.monotonic() + seconds
        while (code := self._ended()) is None and time.monotonic() < end:
            time.sleep(0.05)
        return code

    def _ended(self) -> int | None:
        try:
            with self._asked() as store:
                return int(store.get("ended")) if store.check(["ended"]) else None
        except RuntimeError:  # the store has gone with who kept it, which may have told why before
            return self._end

    def _is_first(self, code: int) -> bool:
        """Whether no other process has told why the run ends; from now on this one has."""
        try:
            with self._asked() as store:
                first: int = store.add("tellers", 1)
                if first == 1:
                    store.set("ended", str(code))
            return first == 1
        except RuntimeError:  # nobody can be asked; the first of those that are left
            return self._place.rank == (1 if self._keeper == 0 else 0)

    def _listen(self) -> None:
        """Gives signs of life, and notes those of the others."""
        count = 0
        while not self._over.wait(self._interval_s):
            count += 1
            try:
                with self._asked() as store:
                    store.set(f"beat/{self._place.rank}", str(count))
                    beats = {
                        rank: store.get(f"beat/{rank}")
                        for rank in self._others
                        if store.check([f"beat/{rank}"])
                    }
                    if store.check(["ended"]):
                        self._end = int(store.get("ended"))
            except RuntimeError:
                continue  # `_look` sees that nothing comes
            now = time.monotonic()
            self._answered = now
            for rank, beat in beats.items():
                if beat != self._heard[rank][0]:
                    self._heard[rank] = (beat, now)

    def _look(self) -> None:
        """Ends this process where another one is missing and it does not end by itself."""
        looked = time.monotonic()
        while not self._over.wait(self._interval_s):
            now = time.monotonic()
            if now - looked > self._patience_s / 2:  # this process was frozen itself
                self._answered = now
                self._heard = {r: (beat, now) for r, (beat, _) in self._heard.items()}
            looked = now
            # Who has told why is about to leave, and the store with it, if it has kept that.
            missing = None if self._end is not None else self._missing(now)
            if missing is not None:
                rank, what = missing
                if self._is_first(1):
                    text = self._sentence(rank, what)
                    self._note_in_report(text)
                    _say(text)
                    self._end_frozen(rank)
                self._leave(1)
            elif self._end is not None and not self._over.wait(PRECEDENCE_S * 2):
                self._leave(self._end)  # busy, or waiting on a device for who has ended

    def _missing(self, now: float) -> tuple[int | None, str] | None:
        if self._is_gone:
            return self._keeper, "has gone"
        for rank, (_, heard) in self._heard.items():
            if self._known[rank].is_gone() and self._end is None:
                # Where the backend tells, `ending` is quicker.
                if not self._over.wait(PRECEDENCE_S * 2) and self._end is None:
                    return rank, "was killed, perhaps since memory ran out"
                return None
            if now - heard > self._patience_s and now - self._answered < self._patience_s / 2:
                return rank, f"has given no sign of life for {now - heard:.0f} s"
        if now - self._answered > self._patience_s:
            return self._keeper, f"has given no sign of life for {now - self._answered:.0f} s"
        return None

    def _end_frozen(self, rank: int | None) -> None:
        """Kills what is given up, which heeds no other signal, where it is on this machine."""
        if rank in self._known and self._known[rank].here:
            with contextlib.suppress(OSError):
                os.kill(self._known[rank].process, signal.SIGKILL)

    def _leave(self, code: int) -> None:
        if self._over.is_set():
            return
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the main thread waits for what does not come

    def _note_in_report(self, text: str) -> None:
        """Where torchrun looks for what went wrong, and `adavit.runtime.launch` whether it was told."""
        report = os.environ.get(_REPORT)
        if report:
            extra = {"timestamp": str(int(time.time()))}
            with contextlib.suppress(OSError):
                Path(report).write_text(
                    json.dumps({"message": {"message": text, "extraInfo": extra}}), encoding="utf-8"
                )


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Ignores the signals by which torchrun ends a process whose neighbour has failed: it is about to say why."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in stopping_signals()}
    try:
        yield
    finally:
        give_back(before)


def _code(error: BaseException) -> int:
    if isinstance(error, Stopped):
        return 128 + error.signal_number
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return 2 if isinstance(error, UserError) else 1


def _say(text: str) -> None:
    cursor = "\033[?25h" if sys.stderr.isatty() else ""  # a progress bar has hidden it
    print(f"{cursor}Error: {text}", file=sys.stderr, flush=True)
