"""The bridge with a kill point in it: `faust -A tests.lab.struck worker` is the bridge, until the point is reached.

STRUCK_AT     where the process is killed: a point of `adapter_kill_points` or `kill_points`; nowhere when it is not set
STRUCK_COUNT  at which time the point is reached (1)
"""

import os

from bridge_app.worker import app
from tests.lab import adapter_kill_points, kill_points

__all__ = ["app"]

# Under the one client id of all workers nobody could tell which member of the group has died.
app.conf.broker_client_id = app.settings.instance_id

_point = os.environ.get("STRUCK_AT", "")
_count = int(os.environ.get("STRUCK_COUNT", "1"))
if _point in adapter_kill_points.POINTS:
    adapter_kill_points.install(_point, _count)
elif _point:
    (_table,) = (agent.table for agent in app.step_agents if agent.table is not None)
    kill_points.install(_table, _point, _count)
