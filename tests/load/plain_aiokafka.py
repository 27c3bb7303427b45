"""Plain aiokafka: fetch, decode, commit, and keep nothing. It shows what there is to spend.

Run as `python -m tests.load.plain_aiokafka`.
"""

import uvloop
from aiokafka import AIOKafkaConsumer

from tests.load import workload
from tests.load.job import Job, Stopwatch


async def main() -> None:
    job = Job.from_environ()
    watch = Stopwatch(job)
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.servers,
        group_id=job.app_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    done = False
    while not done:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            for record in records:
                done |= watch.count()
                workload.decode(record.value)
    await consumer.commit()
    watch.finish()


if __name__ == "__main__":
    uvloop.run(main())
