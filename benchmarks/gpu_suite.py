"""All that is worth knowing of a GPU, in one command: for whoever has one.

    python benchmarks/gpu_suite.py --minutes 8 --out gpu_report        or: make gpu
    python benchmarks/gpu_suite.py --parts equal,step,launches         some parts only
    python benchmarks/gpu_suite.py --device cpu --toy                  its own test, without a GPU

It leaves report.md, report.json (the same figures), log.txt and the samples of its runs. Every part is a process of
its own that is ended when it hangs; one that fails is reported and the next goes on. The report is written anew after
each part, and says of those that there was no time for that there was none. It downloads nothing.

Eight minutes have room for all parts. The two trainings take what the others leave: at least 30 s each from the command
to the last file, a minute each with --minutes 9.
"""

import argparse
import signal
import sys
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.gpu.schedule import Part, Setting, Suite

PARTS = (
    Part("environment", "benchmarks.gpu.card:environment", 15),
    Part("equal", "benchmarks.gpu.equality:equal", 25),
    Part("step", "benchmarks.gpu.speed:step", 80),
    Part("launches", "benchmarks.gpu.launches:launches", 45),
    Part("memory", "benchmarks.gpu.speed:memory", 30),
    Part("train32", "benchmarks.gpu.programs:train32", 30, most=60),
    Part("train128", "benchmarks.gpu.programs:train128", 30, most=60),
    Part("evaluate", "benchmarks.gpu.speed:evaluate", 20),
    Part("augment", "benchmarks.gpu.speed:augment", 12),
    Part("fir", "benchmarks.gpu.card:fir", 18),
    Part("deterministic", "benchmarks.gpu.speed:ordered", 25),
    Part("nccl", "benchmarks.gpu.programs:nccl", 25),
    Part("compile", "benchmarks.gpu.speed:eager_and_compiled", 50),
    Part("tests", "benchmarks.gpu.programs:tests", 30),
)
"""In the order of their worth, with the seconds that they take on a current card. The last two stop by themselves where
their time is over, and keep what they have."""
MINUTES = 8.0


def main() -> None:
    """Measures, and says where the report lies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all of it")
    parser.add_argument("--out", type=Path, default=Path("gpu_report"), help="folder")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--toy", action="store_true", help="networks and images of a test")
    parser.add_argument(
        "--parts",
        type=lambda text: text.split(","),
        default=[part.name for part in PARTS],
        help="names with commas, of: " + ",".join(part.name for part in PARTS),
    )
    arguments = parser.parse_args()
    known = {part.name: part for part in PARTS}
    if unknown := set(arguments.parts) - set(known):
        parser.error(f"no parts {sorted(unknown)}, expected some of {', '.join(known)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the part in hand ends too
    setting = Setting(arguments.device, arguments.toy, arguments.out)
    suite = Suite(
        [known[name] for name in arguments.parts],
        setting,
        minutes=arguments.minutes,
        title=f"adavit on {arguments.device}" + ", toy sizes" * arguments.toy,
    )
    suite.run()
    print(f"report: {arguments.out / 'report.md'}")


if __name__ == "__main__":
    main()
