"""The errors of the local stack.

StackError          something that the user must know, in one line; exit code 1
├── UsageError      the environment or the command line is wrong, nothing was started; exit code 2
│   ├── PortTaken   a port that a server needs is in use
│   └── Busy        another supervisor of the same profile runs
├── ServerFailed    a server ended or did not answer in time; carries the end of its log
├── WorkerRefused   a worker ended with an exit code that says that a restart would not help; that code
└── Stopped         a stop was asked for while something was still being started; exit code 130
"""

from __future__ import annotations


class StackError(Exception):
    """One line for the user; `exit_code` is what the command ends with."""

    exit_code = 1


class UsageError(StackError):
    exit_code = 2


class PortTaken(UsageError):
    def __init__(self, port: int, server: str, purpose: str) -> None:
        super().__init__(f"port {port} on 127.0.0.1, which {server} needs ({purpose}), is in use")
        self.port = port


class Busy(UsageError):
    """Raised when the profile's lock is held; `pid` is the holder's."""

    def __init__(self, profile: str, pid: int) -> None:
        super().__init__(f"a supervisor of the profile '{profile}' runs already (pid {pid})")
        self.pid = pid


class ServerFailed(StackError):
    pass


class WorkerRefused(StackError):
    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} ended with exit code {code}, which a restart would not change")
        self.exit_code = code


class Stopped(StackError):
    exit_code = 130
