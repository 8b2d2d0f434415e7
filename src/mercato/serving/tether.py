"""Start a program that ends when this process ends: ``python -S -E tether.py PARENT_PID FOLDERS PROGRAM [ARG ...]``.

The kernel sends SIGTERM to the program when the thread that started it ends (``prctl(PR_SET_PDEATHSIG)``), also when
that was killed. The request must be made in the child before it becomes the program; a small process of its own does
it without running Python between fork and exec in a process that has gRPC's threads.

On the way the program loses the right to make files in the system's folder for temporary files, except below FOLDERS
(separated as in ``PATH``), where the kernel has Landlock (5.13 and later). There Triton writes the files that come with
a request to load a model (``file:1/model.py``) before it runs them; where it cannot, it refuses such a request, whoever
sends it. Nothing else that Triton or a model does needs a file there: ``TMPDIR`` points into one of FOLDERS.

A secret reaches the program as an argument, because Triton takes it in no other way. It comes here in the environment,
which no other user can read, and is taken out of it.
"""

import ctypes
import os
import signal
import struct
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
# The same numbers on every architecture: linux/landlock.h, asm-generic/unistd.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_MAKE_REG, _REFER = 1 << 8, 1 << 13
_REFER_SINCE = 2  # the version of Landlock that can allow what every version forbids: moves between folders
# Where Triton puts such files, whatever TMPDIR says.
TEMPORARY = "/tmp"

SECRET_VARIABLE = "MERCATO_TETHERED_SECRET"
SECRET_PLACEHOLDER = "{secret}"


def landlock_version() -> int:
    """Return the version of Landlock that this kernel has; 0 for none."""
    return max(0, int(_syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def holds_temporary(folder: str | os.PathLike[str]) -> bool:
    """Tell whether what may be made below a folder may be made right in the one for temporary files too."""
    above, place = os.path.realpath(folder), os.path.realpath(TEMPORARY)
    return os.path.commonpath([above, place]) == above


def forbid_files(forbidden: str, allowed: Sequence[str]) -> None:
    """Take from this process and its children the right to make files below one folder, except below others.

    Args:
        forbidden: below this no file can be made any more; nor in the folders that lead to it.
        allowed: below these it stays as it was; inside of ``forbidden`` or not.

    Raises:
        OSError: the kernel refused it.
    """
    refer = _REFER if landlock_version() >= _REFER_SINCE else 0
    handled = struct.pack("=Q", _MAKE_REG | refer)
    ruleset = _checked(_syscall(_CREATE_RULESET, handled, len(handled), 0))
    if refer:
        _allow(ruleset, "/", refer)
    for folder in [*_beside(os.path.realpath(forbidden)), *allowed]:
        _allow(ruleset, folder, _MAKE_REG)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _checked(_syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _beside(folder: str) -> list[str]:
    """List the folders that are neither ``folder`` nor above it nor below it, the highest of each branch."""
    found = []
    above = "/"
    for name in folder.strip("/").split("/"):
        entries = [entry for entry in os.scandir(above) if entry.name != name and entry.is_dir(follow_symlinks=False)]
        found += [entry.path for entry in entries]
        above = os.path.join(above, name)
    return found


def _allow(ruleset: int, folder: str, access: int) -> None:
    try:
        opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # gone meanwhile, or not for this user
    try:
        _checked(_syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", access, opened), 0))
    finally:
        os.close(opened)


def _syscall(number: int, *arguments: object) -> int:
    converted = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *converted))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def main() -> None:
    """Tie this process to its parent, take away what the program must not do, then become the program."""
    parent, folders, program = int(sys.argv[1]), sys.argv[2].split(os.pathsep), sys.argv[3:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # The parent ended before the request was made, so no signal will come.
        sys.exit(1)
    if landlock_version():
        forbid_files(TEMPORARY, folders)
    secret = os.environ.pop(SECRET_VARIABLE, "")
    os.execv(program[0], [argument.replace(SECRET_PLACEHOLDER, secret) for argument in program])


if __name__ == "__main__":
    main()
