"""GET /metrics, described."""

from typing import Final

from bridge_app.web.api.operation import Operation

METRICS: Final = Operation(
    tag="health",
    summary="Everything that is counted and measured, as Prometheus reads it",
    answer={"type": "string"},
    media_type="text/plain",
    wrapped=False,
)
