"""Start a program that ends when this process ends: ``python -S -E tether.py PARENT_PID PROGRAM [ARGUMENT ...]``.

The kernel sends SIGTERM to the program when the thread that started it ends (``prctl(PR_SET_PDEATHSIG)``), also when
that was killed. The request must be made in the child before it becomes the program; a small process of its own does
it without running Python between fork and exec in a process that has gRPC's threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Tie this process to its parent, then become the program."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # The parent ended before the request was made, so no signal will come.
        sys.exit(1)
    os.execv(program[0], program)


if __name__ == "__main__":
    main()
