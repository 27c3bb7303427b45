"""The process: Faust's worker with our signals and log levels, and the end that waits for nothing."""

import logging
import os
import signal
import sys

import faust

#: Exit codes of the watchdogs (resilience §9): commits stand still, the event loop is blocked.
STALLED = 70
LOOP_DEAD = 71


def end(code: int) -> None:
    """End the process at once; all state is safe at any moment."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class BridgeWorker(faust.Worker):
    """Faust's worker; a second signal ends it at once, and the level of the logs is `LOG_LEVEL`'s alone.

    Without `-l info` the stock worker sets the root logger to DEBUG to make its spinner turn, and every event of every
    library builds a record.
    """

    def _schedule_shutdown(self, signal: signal.Signals) -> None:
        if self._signal_stop_time:
            end(1)
        super()._schedule_shutdown(signal)

    def on_setup_root_logger(self, logger: logging.Logger, level: int) -> None:
        self.spinner = None
