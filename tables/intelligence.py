"""The state of the detectors, keyed as `intelligence.observations`: by series or scope."""

from bridge_app import topics
from bridge_app.domain.intelligence.detectors import SeriesState
from bridge_app.runtime.app import BridgeApp
from bridge_app.runtime.state_table import StateTable


def series(app: BridgeApp) -> StateTable[SeriesState]:
    """Declare the table of all series."""
    return app.state_table(
        "intelligence",
        state_type=SeriesState,
        sources=[topics.INTELLIGENCE_OBSERVATIONS.name],
        help="what each detector knows of its series or scope",
    )
