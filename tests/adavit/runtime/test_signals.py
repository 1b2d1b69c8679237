import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from adavit.runtime.signals import (
    Stopped,
    StopRequest,
    give_back,
    stopped_at_once,
    stopping_signals,
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_noted_and_its_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        assert stop.signal_number == number
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (signal.SIGINT, "Stopped by Ctrl-C; the checkpoint is written. Go on with: again"),
        (signal.SIGTERM, "Stopped by SIGTERM; the checkpoint is written. Go on with: again"),
    ],
)
def test_what_was_stopped_says_how_to_go_on(number: signal.Signals, text: str) -> None:
    assert str(Stopped(number, go_on="again")) == text
    assert str(Stopped(number)) == text.partition(";")[0] + "."


def test_a_second_interrupt_is_immediate() -> None:
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_nohup_is_left_in_force() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop()
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_work_ends_at_once_and_cleans_up_although_it_forgives_errors(
    number: signal.Signals,
) -> None:
    before, done = signal.getsignal(number), []

    def work() -> None:
        with stopped_at_once():
            try:
                signal.raise_signal(number)
            except Exception:  # noqa: BLE001 - as decoders are guarded
                done.append("forgiven")
            finally:
                signal.raise_signal(signal.SIGTERM)  # a second one, while it cleans up
                done.append("clean")
            done.append("went on")

    with pytest.raises(Stopped) as caught:
        work()
    assert caught.value.signal_number == number
    assert done == ["clean"]
    assert signal.getsignal(number) == before


def test_without_a_signal_nothing_is_changed() -> None:
    with pytest.raises(KeyboardInterrupt), stopped_at_once():
        raise KeyboardInterrupt
    with stopped_at_once():
        pass
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("entered", [StopRequest, stopped_at_once])
def test_handlers_of_the_program_around_python_are_no_error(
    entered: Callable[[], AbstractContextManager[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {number: signal.getsignal(number) for number in stopping_signals()}
    set_handler = signal.signal
    try:
        with monkeypatch.context() as patched:
            # As `signal.signal` answers for a handler that was not set from Python.
            patched.setattr(signal, "signal", lambda *given: set_handler(*given) and None)
            context = entered()
            context.__enter__()
        context.__exit__(None, None, None)
    finally:
        give_back(before)
