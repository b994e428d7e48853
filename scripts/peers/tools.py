"""The tools that are set side by side: tickgate, nats bench, and Kafka's own, each with its broker and its rows."""

import json
import os
import pathlib
import secrets
import shutil
import subprocess
from dataclasses import dataclass

from process import LIMIT, Server, free_port, priced, run, said
from reading import SIZE, LeftOut, read_consumer, read_nats, read_producer, read_record

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SUBJECT = "ai-trader.market.quote.received"


@dataclass
class Tickgate:
    """A run of tickgate: what differs from its defaults."""

    rate: str
    groups: bool = False
    seconds: float = 5
    warmup: float = 0
    backlog: bool = False
    bus: tuple = ()

    @property
    def paced(self):
        return self.rate != "max"

    def profile(self, kind):
        keys = {"rate": self.rate, "warmup": f"{self.warmup}s", "duration": f"{self.seconds}s", "drain": "120s"}
        keys |= {"consume": "backlog"} if self.backlog else {}
        bus = {"kind": kind, "audit": False} | ({} if self.paced else {"max_bytes": "8GiB"}) | dict(self.bus)
        lines = ['name = "peers"'] + ([] if self.groups else ["groups = []"]) + ["[load]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        lines += ['[[groups]]\nname = "trading-engine"'] if self.groups else []
        lines += ["[bus]"] + [f"{key} = {json.dumps(value)}" for key, value in bus.items()]
        return "\n".join(lines + ["[objectives]", '"publish.refused" = "== 0"', ""])

    def run(self, bench):
        file = bench.folder / "profile.toml"
        file.write_text(self.profile(bench.kind))
        checked = subprocess.run([bench.tickgate, "check", file], capture_output=True, text=True, timeout=LIMIT)
        if checked.returncode != 0:
            why = checked.stderr.strip().splitlines()[0].partition(f"{file}:")[2] or checked.stderr
            raise LeftOut(f"this tickgate refuses the profile: {why.strip()}")
        out = bench.folder / "run"
        command = [bench.tickgate, "run", file, "--quiet", "--format", "json", "--out", out, "--broker", bench.url]
        # The subject that the other tool publishes to, not a longer one.
        command += ["--allow-prefix", SUBJECT.split(".")[0]] if bench.kind == "nats" else []
        # Any verdict (0, 1, 3) is accepted: the figures come from the record, below.
        done = run(list(map(str, command)), server=bench.server.pid, good=(0, 1, 3))
        shutil.rmtree(out)
        figures, interval = read_record(json.loads(done.said), self.backlog, self.paced)
        return priced(figures, done, interval)


class Nats:
    """nats bench (natscli) on a nats-server, as tickgate configures one of its own."""

    kind, peer = "nats", "nats bench"
    remark = (
        "At 10,000/s nats bench sends 100 events and waits for their acknowledgements: that is the time it tells, less "
        "its own sleep; tickgate sends each event when it is due, and tells each one's time from then. With explicit "
        "acknowledgement 1,000 deliveries at most await theirs, in both."
    )

    def __init__(self, folder, tickgate):
        self.folder, self.tickgate = folder, tickgate
        self.cli, self.server = ROOT / ".tools/bin/nats", Server(folder)
        self.backlog = None
        server = self.server
        server.answers = lambda: server.talk(b"", 4) == b"INFO"
        (folder / "nats.conf").write_text(
            f'server_name: peers\nlisten: "127.0.0.1:{server.port}"\n'
            f'jetstream {{\n  store_dir: "{folder}/store"\n  max_file_store: {20 << 30}\n}}\n'
        )
        program = ROOT / ".brokers/nats-server"
        server.launch([program, "--config", folder / "nats.conf"], 30)
        self.url = f"nats://127.0.0.1:{server.port}"
        # No context of the user's may point it elsewhere.
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        self.versions = {"broker": said([program, "--version"])}
        if self.cli.is_file():
            self.versions["peer"] = "natscli " + said([self.cli, "--version"])

    def command(self, *words, **how):
        if not self.cli.is_file():
            raise LeftOut("no natscli: install Go (Debian: golang-go; 1.21 or later) and run scripts/peers.sh again")
        command = [self.cli, "--server", self.url, "--timeout", "60s", *words]
        return run(list(map(str, command)), env=self.env, server=self.server.pid, folder=self.folder, **how)

    def bench(self, messages, *words):
        file = self.folder / "bench.csv"
        file.unlink(missing_ok=True)
        size = ("--size", SIZE, "--msgs", messages, "--no-progress", "--csv", file)
        done = self.command("bench", "js", *words, *size)
        return priced(read_nats(file.read_text(), messages), done)

    def publish(self, mode, messages, *words, stream="peers"):
        new = ("--create", "--stream", stream, "--storage", "file", "--maxbytes", "4GiB")
        return self.bench(messages, "pub", mode, SUBJECT + "." + stream, *new, *words)

    def published(self, mode, messages, *words):
        """Publishes into a stream of its own, which goes again."""
        try:
            return self.publish(mode, messages, *words)
        finally:
            if self.cli.is_file():
                self.command("stream", "rm", "--force", "peers", good=(0, 1))

    def consumed(self, acks, messages):
        """Reads the same backlog each time, with a durable consumer of its own, which goes again."""
        if self.backlog is None:
            self.publish("async", messages, "--batch", 1000, stream="backlog")
            self.backlog = messages
        words = ("consume", "--stream", "backlog", "--acks", acks, "--batch", 1000)
        figures = self.bench(messages, *words)
        self.command("consumer", "rm", "--force", "backlog", "nats-bench")
        return figures

    def rows(self, messages, seconds):
        window = (("window", 1000),)
        # As many deliveries may await their acknowledgement as with nats bench, where the batch is that bound.
        pull = window + (("nats.pull_batch", 1000), ("nats.max_ack_pending", 1000))
        paced = 10_000 * seconds
        return [
            ("publish, 1,000 in flight", Tickgate("max", seconds=seconds, bus=window),
             lambda: self.published("async", messages, "--batch", 1000)),
            ("publish, fast-ingest", Tickgate("max", seconds=seconds, bus=window + (("publish", "fast"),)),
             lambda: self.published("fast", messages, "--batch", 500, "--max-outstanding-acks", 2)),
            ("receive, explicit acknowledgement",
             Tickgate("max", groups=True, seconds=seconds, backlog=True, bus=pull + (("ack", "explicit"),)),
             lambda: self.consumed("explicit", messages)),
            ("receive, no acknowledgement",
             Tickgate("max", groups=True, seconds=seconds, backlog=True, bus=pull[:2] + (("ack", "none"),)),
             lambda: self.consumed("none", messages)),
            ("publish, 10,000/s", Tickgate("10k/s", seconds=seconds, bus=window),
             lambda: self.published("async", paced, "--throughput", 10_000, "--batch", 100)),
        ]  # fmt: skip


class Kafka:
    """ProducerPerformance and ConsumerPerformance on a Kafka node, as tickgate configures one of its own."""

    kind, peer = "kafka", "Kafka's perf tools"
    remark = (
        "acks=all, linger 1 ms, batches of 1 MB, one partition, in both; their JVM's start is in their CPU, and their "
        "acknowledgement time counts whole milliseconds."
    )
    version = "4.3.1"

    def __init__(self, folder, tickgate):
        self.folder, self.tickgate, self.server = folder, tickgate, Server(folder)
        home = os.environ.get("KAFKA_HOME") or ROOT / ".brokers/kafka"
        self.tools = ROOT / f".tools/java/kafka-tools-{self.version}.jar"
        java = pathlib.Path(os.environ["JAVA_HOME"]) / "bin/java" if os.environ.get("JAVA_HOME") else "java"
        level = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        self.java = [java, "-cp", f"{self.tools}:{home}/libs/*", "-XX:-UsePerfData", level]
        server, controller = self.server, free_port()
        properties = folder / "server.properties"
        properties.write_text(
            "process.roles=broker,controller\nnode.id=1\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\ncontroller.listener.names=CONTROLLER\n"
            "inter.broker.listener.name=CLIENT\n"
            f"listeners=CLIENT://127.0.0.1:{server.port},CONTROLLER://127.0.0.1:{controller}\n"
            f"advertised.listeners=CLIENT://127.0.0.1:{server.port}\n"
            "listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"log.dirs={folder}/store\nauto.create.topics.enable=false\noffsets.topic.replication.factor=1\n"
            "offsets.topic.num.partitions=4\ntransaction.state.log.replication.factor=1\n"
            "transaction.state.log.min.isr=1\nshare.coordinator.state.topic.replication.factor=1\n"
            "share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n"
        )
        id_ = "A" + secrets.token_urlsafe(16)[1:]
        run(list(map(str, [*self.java, "kafka.tools.StorageTool", "format", "-t", id_, "-c", properties])))
        # ApiVersions, version 0, is answered by a broker that is up.
        ask = bytes([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xFF, 0xFF])
        server.answers = lambda: server.talk(ask, 10)[4:] == bytes([0, 0, 0, 7, 0, 0])
        heap = ["-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
        server.launch([*self.java, *heap, "kafka.Kafka", properties], 90)
        self.address, self.url = f"127.0.0.1:{server.port}", f"kafka://127.0.0.1:{server.port}"
        self.versions = {"broker": f"Kafka {self.version}", "peer": f"kafka-tools {self.version}"}
        self.backlog = None

    def tool(self, name, *words):
        if not self.tools.is_file():
            raise LeftOut(f"no {self.tools.name}: install Maven and run scripts/peers.sh --kafka again")
        command = [*self.java, f"org.apache.kafka.tools.{name}", "--bootstrap-server", self.address, *words]
        return run(list(map(str, command)), server=self.server.pid)

    def publish(self, rate, messages, topic):
        self.tool("TopicCommand", "--create", "--topic", topic, "--partitions", 1, "--replication-factor", 1)
        # As tickgate has it.
        how = ("acks=all", "linger.ms=1", "batch.size=1000000", "compression.type=none")
        words = ("--topic", topic, "--num-records", messages, "--record-size", SIZE, "--throughput", rate)
        done = self.tool("ProducerPerformance", *words, "--command-property", *how)
        return priced(read_producer(done.said, messages), done)

    def published(self, rate, messages):
        """Publishes into a topic of its own, which goes again."""
        topic = f"peers-{secrets.token_hex(4)}"
        figures = self.publish(rate, messages, topic)
        self.tool("TopicCommand", "--delete", "--topic", topic)
        return figures

    def consumed(self, messages):
        if self.backlog is None:
            self.publish(-1, messages, "backlog")
            self.backlog = messages
        done = self.tool("ConsumerPerformance", "--topic", "backlog", "--num-records", messages)
        return priced(read_consumer(done.said, messages), done)

    def rows(self, messages, seconds):
        # The client of the tool has room for about 90,000 records under way.
        bus = (("window", 60_000), ("partitions", 1), ("kafka.linger", "1ms"))
        receiving = Tickgate("max", groups=True, seconds=seconds, backlog=True, bus=bus)
        return [
            ("publish, acks=all", Tickgate("max", seconds=seconds, bus=bus), lambda: self.published(-1, messages)),
            ("receive, committing", receiving, lambda: self.consumed(messages)),
            ("publish, 10,000/s", Tickgate("10k/s", seconds=seconds, bus=bus),
             lambda: self.published(10_000, 10_000 * seconds)),
        ]  # fmt: skip
