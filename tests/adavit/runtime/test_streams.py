"""Small processes of their own, because the streams of this one are pytest's."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adavit.runtime import streams
from adavit.runtime.streams import for_terminal

ROOT = Path(__file__).parents[3]


def script(body: str) -> list[str]:
    """A program that runs `body` with lenient streams; its code 7 says that it came to its end."""
    head = (
        "import sys\nfrom adavit.runtime.streams import lenient_streams\nwith lenient_streams():\n"
    )
    return [
        sys.executable,
        "-c",
        head + "".join(f"    {line}\n" for line in body.splitlines()) + "sys.exit(7)",
    ]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\tand\nlines", "plain\tand\nlines"),
        ("cat 🐱 фото é", "cat 🐱 фото é"),
        ("👩‍🔬", "👩‍🔬"),  # joined by a character of no width
        ("a\x1b[31mred\x1b]0;title\x07", r"a\x1b[31mred\x1b]0;title\x07"),
        ("a\rb\x08\x7f\x9b2J", r"a\rb\x08\x7f\x9b2J"),
        ("a\u202egnp.exe\u2066", r"a\u202egnp.exe\u2066"),
        ("caf\udce9", r"caf\udce9"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(text: str, expected: str) -> None:
    assert for_terminal(text) == expected


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("ascii", rb"\U0001f431 \xe9 \udce9"),
        ("cp1252", b"\\U0001f431 \xe9 \\udce9"),
        ("utf-8", "🐱 é \\udce9".encode()),
    ],
)
def test_what_an_encoding_lacks_is_escaped(encoding: str, line: bytes, unbuffered: str) -> None:
    program = script(r"print('\U0001f431 \xe9 \udce9'); print('\U0001f431', file=sys.stderr)")
    settings = environment(PYTHONIOENCODING=encoding, PYTHONUNBUFFERED=unbuffered)
    done = subprocess.run(program, env=settings, capture_output=True)
    assert (done.returncode, done.stdout) == (7, line + b"\n"), done.stderr


def test_closed_streams_swallow_all_and_no_file_takes_their_place(tmp_path: Path) -> None:
    body = "\n".join(
        [
            "file = open('made.txt', 'w')",
            "print('lost', flush=True)",
            "print('lost', file=sys.stderr)",
            "file.write(str(file.fileno() > 2))",
            "file.close()",
        ]
    )
    done = subprocess.run(
        ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", *script(body)], env=environment(), cwd=tmp_path
    )
    assert (done.returncode, (tmp_path / "made.txt").read_text()) == (7, "True")


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_leaves_does_not_end_the_program(lines: int) -> None:
    body = f"sys.stdin.readline()\nfor number in range({lines}): print('line', number)"
    process = subprocess.Popen(
        script(body),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    errors = process.stderr.read()
    assert (process.wait(), errors) == (7, b"")


@pytest.mark.parametrize(
    ("system", "to_pipe", "is_dropped"),
    [("win32", True, True), ("win32", False, False), ("linux", True, False)],
)
def test_a_pipe_whose_reader_is_gone_is_invalid_on_windows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    to_pipe: bool,
    is_dropped: bool,
) -> None:
    class Refusing(io.FileIO):
        def write(self, data: object, /) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

    class File(streams._FileWithoutReader, Refusing):
        """What it asks its base to write is refused."""

    ends = [*os.pipe(), os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)]
    monkeypatch.setattr(sys, "platform", system)
    try:
        file = File(ends[1] if to_pipe else ends[2])
        if is_dropped:
            assert file.write(b"four") == 4
        else:
            with pytest.raises(OSError, match="Invalid argument"):
                file.write(b"four")
    finally:
        for end in ends:
            os.close(end)


def test_a_terminal_that_is_closed_does_not_end_the_program() -> None:
    body = (
        "print('begun', flush=True)\nsys.stdin.readline()\n"
        "for number in range(9): print('line', number, flush=True)"
    )
    ours, terminal = os.openpty()
    process = subprocess.Popen(
        script(body),
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(terminal)
    assert os.read(ours, 5) == b"begun"
    os.close(ours)
    _, errors = process.communicate(b"\n")
    assert (process.returncode, errors) == (7, b"")


def test_a_full_disk_is_still_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            script("print('x')\nsys.stdout.flush()"),
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert b"No space left" in done.stderr


def test_the_streams_come_back(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from adavit.runtime.streams import lenient_streams

    before = sys.stdout
    monkeypatch.setattr(sys, "stderr", None)
    with lenient_streams():
        print("shown")
        print("lost", file=sys.stderr)
        assert sys.stderr is not None
    assert sys.stdout is before
    assert sys.stderr is None
    assert capsys.readouterr().out == "shown\n"
