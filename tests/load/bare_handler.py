"""The ceiling of `make bench ARGS=hooks`: aiohttp parses the JSON and answers, and nothing else.

With `--kafka` it also sends the body to a topic and answers when that is acknowledged: what a hand-written service does
that promises as much, but checks nothing. Run as `python -m tests.load.bare_handler PORT`.
"""

import argparse
import os
from collections.abc import AsyncIterator

import orjson
import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer

from tests.load.posts import ACCEPTED, PATH

ANSWER = b'{"success":true,"data":{' + ACCEPTED + b"}}"
PRODUCER = web.AppKey("producer", AIOKafkaProducer)
LINGER_MS = 2


async def answer(request: web.Request) -> web.Response:
    orjson.loads(await request.read())
    return web.Response(body=ANSWER, content_type="application/json")


async def produce(request: web.Request) -> web.Response:
    body = await request.read()
    key = orjson.loads(body)["service_info"]["name"].encode()
    await request.app[PRODUCER].send_and_wait(os.environ["BENCH_TOPIC"], body, key=key)
    return web.Response(body=ANSWER, content_type="application/json")


async def producing(app: web.Application) -> AsyncIterator[None]:
    app[PRODUCER] = AIOKafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
    )
    await app[PRODUCER].start()
    yield
    await app[PRODUCER].stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load.bare_handler")
    parser.add_argument("port", type=int)
    parser.add_argument("--kafka", action="store_true")
    options = parser.parse_args()
    app = web.Application()
    app.router.add_post(PATH, produce if options.kafka else answer)
    if options.kafka:
        app.cleanup_ctx.append(producing)
    web.run_app(app, host="127.0.0.1", port=options.port, print=None, access_log=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
