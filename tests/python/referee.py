"""The referee of who may get in: does with nats-py what a run does, in the same order and with the same bounds.

    referee.py FILE     FILE says in JSON where and as whom; answers with a line of JSON

It has a connection for control, one that publishes and one that receives, asks for the account, makes a stream and a
consumer, publishes with acknowledgements, receives all in one request, acknowledges, reads the stream once more by a
consumer that acknowledges nothing, and removes the stream. The answer has `in`; where it is false, also the `step` that
failed and what the server or the client `said`; `left` is true where only the removal was refused.
"""

import asyncio
import json
import sys
import time

import nats
from nats.errors import TimeoutError as NatsTimeout
from nats.js import api
from nats.js.errors import APIError, NotFoundError

PATIENCE = 2
STREAM = "tickgate-20000101-000000-re4eree"


class Refused(Exception):
    pass


class Referee:
    def __init__(self, order):
        self.order, self.said, self.open, self.made = order, [], [], None

    async def connect(self):
        async def hear(error):
            self.said.append(str(error))

        order = self.order
        given = {name: order[name] for name in ("user", "password", "token", "nkeys_seed", "user_credentials") if name in order}
        if "inbox" in order:
            given["inbox_prefix"] = order["inbox"].encode()
        client = await nats.connect(
            order["url"], error_cb=hear, connect_timeout=PATIENCE, allow_reconnect=False, max_reconnect_attempts=0, **given
        )
        self.open.append(client)
        return client

    def jetstream(self, client):
        order = self.order
        given = {name: order[name] for name in ("prefix", "domain") if name in order}
        return client.jetstream(timeout=PATIENCE, **given)

    async def settle(self, js, name):
        """Waits until the server has every acknowledgement."""
        end = time.monotonic() + PATIENCE
        while (await js.consumer_info(STREAM, name)).num_ack_pending:
            if time.monotonic() > end:
                raise Refused("acknowledgements do not reach the server")
            await asyncio.sleep(0.05)

    async def receive(self, js, name, count):
        """Every event, by one request."""
        sub = await js.pull_subscribe_bind(consumer=name, stream=STREAM)
        got = await sub.fetch(self.order["batch"], timeout=PATIENCE)
        if len(got) < count:
            raise Refused(f"one request had {len(got)} of {count} events")
        return got

    async def steps(self):
        order, count = self.order, self.order["events"]
        yield "connect"
        control = await self.connect()
        js = self.jetstream(control)
        yield "account"
        await js.account_info()
        yield "names"
        try:
            raise Refused(f"stream {await js.find_stream_name_by_subject(order['subject'])} has the subject")
        except NotFoundError:
            pass
        yield "stream"
        storage = api.StorageType.MEMORY if order["storage"] == "memory" else api.StorageType.FILE
        await js.add_stream(
            name=STREAM, subjects=[order["subject"]], max_bytes=order["max_bytes"], storage=storage,
            discard=api.DiscardPolicy.NEW,
        )
        self.made = js
        await js.stream_info(STREAM)
        yield "consumer"
        await js.add_consumer(
            STREAM, name="group", durable_name="group", ack_policy=api.AckPolicy.EXPLICIT,
            max_ack_pending=order["max_ack_pending"],
        )
        yield "connect"
        reader, writer = await self.connect(), await self.connect()
        yield "publish"
        publisher = self.jetstream(writer)
        for _ in range(count):
            await publisher.publish(order["subject"], b"x" * order["payload"], timeout=PATIENCE)
        yield "receive"
        messages = await self.receive(self.jetstream(reader), "group", count)
        yield "acknowledge"
        for message in messages:
            await message.ack()
        await reader.flush()
        await self.settle(js, "group")
        await reader.close()
        yield "audit"
        await js.add_consumer(STREAM, name="audit", durable_name="audit", ack_policy=api.AckPolicy.NONE)
        await self.receive(self.jetstream(await self.connect()), "audit", count)

    async def verdict(self):
        step = "start"
        try:
            async for step in self.steps():
                pass
            answer = {"in": True, "left": not await self.remove()}
        except (Refused, APIError, nats.errors.Error, NatsTimeout, asyncio.TimeoutError, OSError, ValueError) as error:
            await asyncio.sleep(0.1)
            why = getattr(error, "description", None) or str(error) or type(error).__name__
            await self.remove()
            answer = {"in": False, "step": step, "why": why}
        for client in self.open:
            await client.close()
        return answer | {"said": self.said}

    async def remove(self):
        try:
            return self.made is None or await self.made.delete_stream(STREAM)
        except (nats.errors.Error, asyncio.TimeoutError):
            return False


async def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        print(json.dumps(await Referee(json.load(file)).verdict()))


asyncio.run(main())
