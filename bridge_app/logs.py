"""Logs: one line per event, structlog's and everybody else's through the same handler to stderr.

JSON unless stderr is a terminal. What a broker outage makes aiokafka and asyncio repeat is limited (without that,
6 MB in 85 s, measured), and secrets are masked.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson
import structlog
from structlog.types import EventDict, Processor

from bridge_app.masking import mask, secrets_of
from bridge_app.settings import Settings
from bridge_app.timestamps import parse_us

#: Records that `GET /admin/logs` can show.
MOST_RECENT = 1000

NOISY = ("aiokafka", "asyncio")
NOISE_WINDOW_SECONDS = 10.0
NOISE_PER_WINDOW = 3
#: Messages whose counts are kept; an unusual variety of messages starts the counting afresh.
MOST_MESSAGES = 256

#: Libraries that tell every step of their routine at INFO; below LOG_LEVEL=DEBUG only their warnings are shown.
CHATTY = ("aiokafka", "faust", "mode", "bridge_app.runtime.store")
#: How mode marks what a service says about its own start and stop.
SERVICE_MARK = "[^"


class RecentRecords:
    """The last records of the process as they were written, masked, oldest first; a part of the rendering."""

    def __init__(self, most: int = MOST_RECENT) -> None:
        self._records: deque[Mapping[str, Any]] = deque(maxlen=most)

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Keep a copy of a record, and let it pass."""
        self._records.append(dict(event))
        return event

    def list(self, *, level: str, since_us: int | None, most: int) -> Sequence[Mapping[str, Any]]:
        """Return the last `most` records of a level and above, from a time on."""
        least = _number(level)
        found = [
            one
            for one in self._records
            if _number(str(one.get("level", "info")).upper()) >= least
            and (since_us is None or parse_us(one["timestamp"]) >= since_us)
        ]
        return found[-most:]


#: Those of this process: there is one log, as there is one stderr.
RECENT: Final = RecentRecords()


class NoiseLimit(logging.Filter):
    """Lets the same message of a noisy logger pass three times in 10 s; the next one says how many were left out."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in NOISY:
            return True
        key = (record.name, str(record.msg))
        now = self._monotonic()
        since, count = self._seen.get(key, (now, 0))
        left_out = 0
        if now - since >= NOISE_WINDOW_SECONDS:
            left_out = max(count - NOISE_PER_WINDOW, 0)
            since, count = now, 0
        if len(self._seen) >= MOST_MESSAGES:
            self._seen.clear()
        self._seen[key] = (since, count + 1)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like it)"
        return count < NOISE_PER_WINDOW


class NoChatter(logging.Filter):
    """Leaves out what every Faust service says at INFO when it starts and stops, unless everything is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if logging.root.level <= logging.DEBUG:
            return True
        return record.levelno > logging.INFO or not str(record.msg).startswith(SERVICE_MARK)


def configure(settings: Settings) -> dict[str, Any]:
    """Configure structlog; return the `logging_config` for Faust, which applies it when the worker starts."""
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"noise": {"()": NoiseLimit}, "chatter": {"()": NoChatter}},
        "loggers": {name: {"level": _level_of_others(settings.log_level)} for name in CHATTY},
        "formatters": {
            "bridge": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_rendering(settings),
                ],
                "foreign_pre_chain": _shared(),
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "bridge",
                "filters": ["noise", "chatter"],
            }
        },
        "root": {"level": settings.log_level, "handlers": ["stderr"]},
    }


def set_level(level: str) -> None:
    """Log from another level on, at once."""
    logging.root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(_level_of_others(level))


def _level_of_others(level: str) -> str:
    """Return the level of the libraries that tell every step of their routine."""
    return "NOTSET" if level == "DEBUG" else max(level, "WARNING", key=_number)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]


def masking(secrets: tuple[str, ...]) -> Processor:
    """Return a processor that masks fields with a secret's name, users in URLs and the given secrets in text."""

    def masked(_logger: Any, _method: str, event: EventDict) -> EventDict:
        return {name: mask(name, value, secrets) for name, value in event.items()}

    return masked


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(settings: Settings) -> list[Processor]:
    masked = masking(secrets_of(settings))
    if settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty()):
        plain = structlog.dev.plain_traceback
        return [masked, RECENT, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [
        structlog.processors.format_exc_info,
        masked,
        RECENT,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def _to_json(event: EventDict, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
