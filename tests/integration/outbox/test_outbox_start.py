"""What a worker does about its outbox before it takes requests (resilience §7)."""

from tests.integration.outbox.outage import Outage


async def test_an_outbox_that_cannot_be_opened_ends_the_start_with_code_2_and_one_line(outage: Outage) -> None:
    outage.worker.data_folder.mkdir(parents=True)
    outage.outbox.write_text("a file where the folder should be")

    outage.worker.start()

    assert await outage.worker.exit_code() == 2
    (line,) = outage.logged("halted")
    assert line["error"].startswith("BRIDGE_DATA_DIR: the outbox in ")
