"""`python -m adavit`: the command line, for `torchrun -m adavit train` too."""

from adavit.cli.main import main

if __name__ == "__main__":  # the processes of a worker pool import this file too
    main()
