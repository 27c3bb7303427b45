"""A connection to a broker that was reset is a lost connection, also on uvloop.

Between a reset and the news of it a request may still be written. There asyncio says nothing, and the loss is noticed a
moment later; uvloop raises RuntimeError, which aiokafka takes for a defect of its own (aiokafka issue 1038): the
routines that send and fetch end for good, and so does the worker.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

#: What writes to a connection.
WRITING = ("send", "_send_sasl_token")


def notice_resets() -> None:
    """Let every connection of aiokafka close itself when it cannot be written to, and raise KafkaConnectionError."""
    for name in WRITING:
        method = getattr(AIOKafkaConnection, name)
        if not hasattr(method, "__wrapped__"):
            setattr(AIOKafkaConnection, name, _noticing(method))


def _noticing(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def write(self: AIOKafkaConnection, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except KafkaError:  # which is a RuntimeError, too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    return write
