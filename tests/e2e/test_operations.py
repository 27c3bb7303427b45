"""What operators ask a running worker (hooks §11)."""

from tests.e2e.bridge import Bridge
from tests.unit.web.documented import answer_problems


async def test_hooks_23_info_and_logs_have_their_fields_and_no_password(bridge: Bridge) -> None:
    _, openapi = await bridge.get("/openapi.json")
    answers = {}
    for path in ("/admin/info", "/admin/logs", "/admin/logs?level=ERROR&lines=5"):
        status, answer = await bridge.get(path)
        assert (status, answer_problems(openapi, "GET", path.partition("?")[0], status, answer)) == (200, [])
        assert bridge.environ["POSTGRES_PASSWORD"] not in str(answer)
        answers[path] = answer["data"]
    info = answers["/admin/info"]
    assert info["dependencies"]["kafka"] == info["dependencies"]["database"] == "connected"
    assert info["runtime"]["memory_usage_mb"] > 10
    assert info["runtime"]["active_connections"] >= 1
    assert info["service"]["environment"] == "e2e"
    assert any(one["message"] == "postgres_ready" for one in answers["/admin/logs"]["logs"])
    assert len(answers["/admin/logs?level=ERROR&lines=5"]["logs"]) <= 5
    assert (await bridge.get("/admin/logs?lines=0"))[0] == 422
