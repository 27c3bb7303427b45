"""The bridge with a kill point in it: `faust -A tests.lab.struck worker` is the bridge, until the point is reached.

STRUCK_AT     where the process is killed: a point of `adapter_kill_points` or `kill_points`; nowhere when it is not set
STRUCK_COUNT  at which time the point is reached (1)
"""

import os

from bridge_app.runtime.app import BridgeApp
from tests.lab import adapter_kill_points, kill_points


def new_app() -> BridgeApp:
    """Return the bridge's app with the kill point that the environment asks for."""
    point, count = os.environ.get("STRUCK_AT", ""), int(os.environ.get("STRUCK_COUNT", "1"))
    if point in adapter_kill_points.POINTS:
        adapter_kill_points.install(point, count)
    from bridge_app.worker import app  # the adapter is made by this import, and must find the kill point there

    if point in kill_points.PHASES:
        (table,) = (agent.table for agent in app.step_agents if agent.table is not None)
        kill_points.install(table, point, count)
    # Under the one client id of all workers nobody could tell which member of the group has died.
    app.conf.broker_client_id = app.settings.instance_id
    return app


app = new_app()
