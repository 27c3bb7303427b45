"""OmniNode Bridge: sees every lifecycle event, tool call and workflow between services, and keeps the record.

`bridge_app.app` is the Faust application, as `faust -A bridge_app` looks it up; it is built when it is first asked for.
Importing this package alone reads no setting and has no effect.
"""

import gc
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "app":
        gc.disable()  # what is imported stays: to look for garbage among it took a tenth of each start (measured)
        try:
            from bridge_app.worker import app
        finally:
            gc.enable()
        return app
    raise AttributeError(name)
