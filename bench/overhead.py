"""What this service costs on top of vLLM: tokens/s and time to first token, against vLLM alone.

One vLLM server, and one `rag serve` in front of it. Clients ask the service questions; other
rounds send vLLM itself the very token ids, sampling and stops that `/v1/explain` says the
service sends, so the engine does the same work in both. Sampling is greedy; the tokens that
came are counted by vLLM and reported for both sides. Lengths differ from request to request
and clients begin one after another, because clients that move in step would all wait for one
thing at a time. vLLM's prefix cache is on and holds every prompt before anything is measured,
so its own first token comes early: that is the harder case for the service. Where many ask
at once the service has vLLM send up to eight tokens together, which spares both of them work;
`--together 8` has vLLM alone do so as well.

    python -m bench.overhead [--clients 1,8,32] [--tokens 128] [--requests 32] [--rounds 3]
                             [--shape tiny|0.1b|0.5b|8b] [--model NAME] [--vllm-bin PATH]
                             [--vllm-url URL] [--vllm-arguments "--load-format dummy"]
                             [--cores apart|shared] [--together 1]

Without a model, one is made on the spot. `tiny` is that of the tests: some milliseconds a
token on a processor, faster than real models, so that little hides what a token costs.
`0.1b`, `0.5b` and `8b` are of the size of real ones, with weights that vLLM makes up; `8b` is
for a GPU. The load comes from a process of its own with one thread that looks at bytes, so
that it shares no interpreter with either side.

vLLM for processors lets its scheduler spin while a step is computed. On a machine of few cores
it so takes the one that its own API server, the service and the load are left with, and what
is then measured, on either side, is which of them the kernel lets run. So where vLLM has cores
for its computing and fewer than three are left, the engine, scheduler included, is kept on
those and all else on the others, as beside a GPU. `--cores shared` leaves everything where the
kernel puts it.

Columns: `tokens/s` of all clients together, from the first request to the last byte; `decode`
of one stream after its first token; `first` and `p95` the time to the first token, in
milliseconds; `bare` what is left of the difference without embedding and searching, which
vLLM alone does not do (and without writing the prompt, where the service times it); `cpu`
microseconds of the service's processor time a token, with all that a request costs in it;
`came` the tokens that came, of all rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import math
import os
import selectors
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from bench import results

PROJECT = Path(__file__).parent.parent
QUESTIONS = PROJECT / "tests" / "demo" / "questions.jsonl"
RAW, OURS = "vllm", "service"
MARKS = {RAW: (b'"text":"', b'"'), OURS: (b'event: token\ndata: {"text": "', b'"')}
"""What stands before the text of an event, and what follows where there is none."""

ENOUGH_CORES = 3  # vLLM's scheduler, its API server, and the service with the load
START_S = 600  # of vLLM on a busy machine; 40 s on a free one
WARM_TOKENS = 4
SHAPES: dict[str, dict[str, int]] = {
    "tiny": {},
    "0.1b": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "head_dim": 64,
    },
    "0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "head_dim": 64,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, as the client saw it. Seconds; times count from the round's beginning."""

    began: float
    first: float
    ended: float
    tokens: int
    found_s: float  # embedding, searching and writing the prompt, as the service timed them
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """What the samples of one round come to."""

    side: str
    requests: int
    tokens: int
    seconds: float
    tokens_per_s: float
    decode_per_s: float  # of one stream, after its first token; median
    first_ms: float
    first_p95_ms: float
    found_ms: float
    service_cpu_us: float  # a token
    vllm_cpu_us: float


@dataclass(frozen=True, slots=True)
class Places:
    """Where the two sides answer, and the processes whose time is counted."""

    vllm: str
    service: str
    service_pid: int
    vllm_mark: bytes  # stands in the environment of each process of vLLM; empty: unknown
    cores: tuple[int, ...] = ()  # where the load runs; empty: anywhere


# ---- the load: a process of its own ------------------------------------------------------


def drive(plan: Json) -> list[Sample]:
    """Send the plan's requests from as many clients as it says, each one after another."""
    if plan["cores"]:
        os.sched_setaffinity(0, plan["cores"])
    began = time.perf_counter()
    bodies = deque[str](plan["bodies"])
    idle = deque(began + plan["apart_s"] * client for client in range(plan["clients"]))
    samples: list[Sample] = []
    with selectors.DefaultSelector() as ready:
        while ready.get_map() or (bodies and idle):
            while bodies and idle and idle[0] <= time.perf_counter():
                idle.popleft()
                call = _Call(plan, bodies.popleft(), began)
                ready.register(call.socket, selectors.EVENT_READ, call)
            begins = idle[0] - time.perf_counter() if bodies and idle else None
            for key, _ in ready.select(begins):
                if not key.data.read():
                    ready.unregister(key.data.socket)
                    samples.append(key.data.sample())
                    idle.appendleft(0.0)
    return samples


class _Call:
    """One request under way. Looks at no more of what comes than it must."""

    def __init__(self, plan: Json, body: str, began: float) -> None:
        self.socket = dialled(plan["address"])
        self._mark, self._nothing = (text.encode() for text in plan["mark"])
        self._zero, self._first = began, 0.0
        self._received = bytearray()
        self._began = time.perf_counter()
        data = body.encode()
        self.socket.sendall(
            f"POST {plan['path']} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            + data
        )

    def read(self) -> bool:
        """Take what is there; false at the end."""
        data = self.socket.recv(65536)
        self._received += data
        if not self._first and says_something(self._received, self._mark, self._nothing):
            self._first = time.perf_counter()
        return bool(data)

    def sample(self) -> Sample:
        """What came of it."""
        ended = time.perf_counter()
        self.socket.close()
        tokens, found_s, problem = counted(bytes(self._received))
        began, first = self._began - self._zero, (self._first or ended) - self._zero
        return Sample(began, first, ended - self._zero, tokens, found_s, problem)


def says_something(received: bytes | bytearray, mark: bytes, nothing: bytes) -> bool:
    """Whether an event has come whose text is not empty."""
    at = received.find(mark)
    while at >= 0:
        after = received[at + len(mark) : at + len(mark) + len(nothing)]
        if after and after != nothing:
            return True
        at = received.find(mark, at + 1)
    return False


def counted(response: bytes) -> tuple[int, float, str]:
    """Tokens of a whole response, seconds spent on finding passages, and what is wrong."""
    head, _, body = response.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return 0, 0.0, response[:300].decode("utf-8", "replace")
    last: Json = {}
    for line in unchunked(body).splitlines():
        if line.startswith(b"data: {") and b'"usage"' in line:
            last = json.loads(line[6:])
    if not last.get("usage"):
        return 0, 0.0, f"no usage: {body[-300:].decode('utf-8', 'replace')}"
    problem = f"degraded: {last['degraded_reason']}" if last.get("degraded") else ""
    spent = last.get("timings_ms", {})
    found_ms = sum(spent.get(part, 0.0) for part in ("embed", "search", "prompt"))
    return last["usage"]["completion_tokens"], found_ms / 1000, problem


def unchunked(body: bytes) -> bytes:
    """A body without its transfer coding."""
    parts, at = [], 0
    while (end := body.find(b"\r\n", at)) >= 0 and (size := int(body[at:end] or b"0", 16)):
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


def dialled(address: str) -> socket.socket:
    """A connection to ``http://HOST:PORT`` or ``unix:/PATH``."""
    if address.startswith("unix:"):
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(address.removeprefix("unix:"))
        return connected
    where = urlsplit(address)
    return socket.create_connection((where.hostname or "", where.port or 80))


# ---- what is asked -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """A question, and what vLLM is sent for it."""

    question: str
    explained: Json
    together: int = 1  # tokens that vLLM alone sends at once

    def body(self, side: str, model: str, tokens: int) -> str:
        """The request that one of the two sides gets."""
        if side == OURS:
            return json.dumps(asking(self.question, tokens) | {"stream": True})
        body = completion(self.explained, model, tokens)
        return json.dumps(body | {"stream_interval": self.together})


def asking(question: str, tokens: int) -> Json:
    """What the service is asked, by `/v1/ask` and `/v1/explain` alike."""
    return {"question": question, "engine": "vllm", "temperature": 0.0, "max_tokens": tokens}


def completion(explained: Json, model: str, tokens: int) -> Json:
    """What the service sends to vLLM for a question, from what it says about it.

    Not for models that think before they answer: there the service also asks for special
    tokens to be written out, which `/v1/explain` does not say.
    """
    sampling = {name: one["value"] for name, one in explained["sampling"].items()}
    strings = [*(sampling.pop("stop", None) or ()), *_texts(explained["stops"]["strings"])]
    constraint = explained["constraint"]
    body = {
        **sampling,
        "max_tokens": tokens,
        "stop": strings or None,
        "stop_token_ids": sorted(one["id"] for one in explained["stops"]["ids"]),
        "skip_special_tokens": True,
        "structured_outputs": {"regex": constraint} if constraint else None,
        "model": model,
        "prompt": explained["token_ids"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }
    return {name: value for name, value in body.items() if value is not None}


def lengths(count: int, tokens: int) -> list[int]:
    """So many lengths of answers, from half to one and a half of ``tokens``, mixed."""
    return [max(1, tokens // 2 + tokens * (7 * place % 17) // 16) for place in range(count)]


def _texts(strings: Sequence[Json]) -> list[str]:
    return [one["text"] for one in strings]


# ---- a round, and what it comes to -------------------------------------------------------


class Bench:
    """Runs rounds against the two sides."""

    def __init__(self, places: Places, model: str, pairs: Sequence[Pair], apart_s: float) -> None:
        self._places, self._model, self._pairs = places, model, pairs
        self._apart_s = apart_s

    def warm(self, clients: int) -> None:
        """Have every prompt in vLLM's cache, and every path of the service gone once."""
        for side in (RAW, OURS):
            self.run(side, clients, [WARM_TOKENS] * 2 * max(len(self._pairs), clients))

    def run(self, side: str, clients: int, tokens: Sequence[int]) -> Round:
        """Send one request for each of the lengths.

        :raises RuntimeError: when one was not answered by the model.
        """
        pairs, places = self._pairs, self._places
        plan = {
            "address": places.vllm if side == RAW else places.service,
            "path": "/v1/completions" if side == RAW else "/v1/ask",
            "mark": [text.decode() for text in MARKS[side]],
            "clients": clients,
            "cores": places.cores,
            "apart_s": self._apart_s,
            "bodies": [
                pairs[place % len(pairs)].body(side, self._model, count)
                for place, count in enumerate(tokens)
            ],
        }
        before = self._cpu_s()
        done = subprocess.run(
            [sys.executable, "-m", "bench.overhead", "--drive"],
            input=json.dumps(plan),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=PROJECT,
        )
        after = self._cpu_s()
        samples = [Sample(**one) for one in json.loads(done.stdout)]
        if problems := [one.problem for one in samples if one.problem]:
            raise RuntimeError(f"{len(problems)} of {len(samples)} requests failed: {problems[0]}")
        spent = [end - start for start, end in zip(before, after, strict=True)]
        return summed(side, samples, *spent)

    def _cpu_s(self) -> tuple[float, float]:
        return cpu_s(below(self._places.service_pid)), cpu_s(marked(self._places.vllm_mark))


def summed(side: str, samples: Sequence[Sample], service_s: float, vllm_s: float) -> Round:
    """The figures of a round.

    :param service_s: processor time that the service used meanwhile.
    :param vllm_s: the same of vLLM.
    """
    tokens = sum(one.tokens for one in samples)
    seconds = max(one.ended for one in samples) - min(one.began for one in samples)
    first_ms = [1000 * (one.first - one.began) for one in samples]
    after = [(one.tokens - 1) / (one.ended - one.first) for one in samples if one.tokens > 1]
    return Round(
        side,
        len(samples),
        tokens,
        round(seconds, 3),
        round(tokens / seconds, 1),
        round(median(after), 1) if after else 0.0,
        round(median(first_ms), 2),
        round(quantile(first_ms, 0.95), 2),
        round(median(1000 * one.found_s for one in samples), 2),
        round(1e6 * service_s / max(1, tokens), 1),
        round(1e6 * vllm_s / max(1, tokens), 1),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of them does not exceed."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def compared(rounds: Sequence[Round]) -> Json:
    """Medians of both sides over rounds that alternate, and how they compare."""
    raw, ours = ([one for one in rounds if one.side == side] for side in (RAW, OURS))
    pairs = list(zip(raw, ours, strict=True))
    difference = median(b.first_ms - a.first_ms for a, b in pairs)
    return {
        "tokens_per_s": {side: median(r.tokens_per_s for r in of) for side, of in _of(raw, ours)},
        "ratio": round(median(b.tokens_per_s / a.tokens_per_s for a, b in pairs), 4),
        "decode_per_s": {side: median(r.decode_per_s for r in of) for side, of in _of(raw, ours)},
        "decode_ratio": round(median(b.decode_per_s / a.decode_per_s for a, b in pairs), 4),
        "first_ms": {side: median(r.first_ms for r in of) for side, of in _of(raw, ours)},
        "first_p95_ms": {side: median(r.first_p95_ms for r in of) for side, of in _of(raw, ours)},
        "first_more_ms": round(difference, 2),
        "first_more_bare_ms": round(difference - median(r.found_ms for r in ours), 2),
        "service_cpu_us_a_token": median(r.service_cpu_us for r in ours),
        "vllm_cpu_us_a_token": {
            side: median(r.vllm_cpu_us for r in of) for side, of in _of(raw, ours)
        },
        "tokens": {side: sum(r.tokens for r in of) for side, of in _of(raw, ours)},
        "rounds": [asdict(one) for one in rounds],
    }


def _of(raw: list[Round], ours: list[Round]) -> tuple[tuple[str, list[Round]], ...]:
    return (RAW, raw), (OURS, ours)


def below(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    queue = [pid]
    while queue:
        yield (one := queue.pop())
        try:
            for task in Path(f"/proc/{one}/task").iterdir():
                queue += map(int, (task / "children").read_text().split())
        except OSError:  # it has just ended
            continue


def marked(mark: bytes) -> Iterator[int]:
    """The processes that have a mark in their environment."""
    for folder in Path("/proc").iterdir():
        try:
            if mark and folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                yield int(folder.name)
        except OSError:  # it has just ended, or is somebody else's
            continue


def set_apart(engine: bytes, service: int) -> tuple[int, ...]:
    """Keep the engine on the cores that it computes on, and all else off them.

    :return: the other cores; empty where nothing was done: the engine computes elsewhere, or
        there are enough cores.
    """
    named = {pid: _name_of(pid) for pid in marked(engine)}
    everywhere = os.sched_getaffinity(0)
    taken = set[int]()
    for pid, name in named.items():
        if name.startswith("VLLM::Worker"):
            taken |= os.sched_getaffinity(pid)
    left = everywhere - taken
    if not taken or not 0 < len(left) < ENOUGH_CORES:
        return ()
    for pid, name in named.items():
        keep(pid, taken if name.startswith("VLLM::") else left)
    for pid in below(service):
        keep(pid, left)
    return tuple(sorted(left))


def keep(pid: int, cores: set[int]) -> None:
    """Have every thread of a process, and those that they start, run on these cores only."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has just ended
            os.sched_setaffinity(int(task.name), cores)


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def cpu_s(pids: Iterator[int]) -> float:
    """Seconds of processor time that processes have used."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])  # utime, stime: proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


# ---- the two servers ---------------------------------------------------------------------


@contextmanager
def engine(args: argparse.Namespace, model: str, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """A vLLM server: its address, and the mark of its processes."""
    from corpus.settings import GenerationSettings, VllmSettings
    from rag.engines.vllm.launch import prepare
    from rag.engines.vllm.process import Status, VllmProcess

    if args.vllm_url:
        yield args.vllm_url, b""
        return
    settings = VllmSettings(
        bin=args.vllm_bin, dtype=args.dtype, arguments=tuple(shlex.split(args.vllm_arguments))
    )
    environ = {"VLLM_CPU_KVCACHE_SPACE": "1", **os.environ, "HF_HUB_OFFLINE": "1"}
    launch = prepare(GenerationSettings(model=model), settings, environ)
    process = VllmProcess(launch, scratch / "vllm.log")
    process.start()
    try:
        end = time.monotonic() + START_S
        while (state := process.state()).status is not Status.READY:
            if state.status is Status.FAILED or time.monotonic() > end:
                log = Path(state.log).read_text(errors="replace")[-3000:]
                raise RuntimeError(f"vLLM did not start: {state.reason}\n{log}")
            time.sleep(0.2)
        yield str(launch.address), os.fsencode(launch.folder)
    finally:
        process.close()


@contextmanager
def service(
    args: argparse.Namespace, model: str, vllm: str, scratch: Path
) -> Iterator[tuple[str, int]]:
    """`rag serve` over the demo corpus: its URL and its process."""
    rag, store = [sys.executable, "-m", "rag"], str(scratch / "store")
    environ = {**os.environ, "HF_HUB_OFFLINE": "1"}
    environ["RAG_SERVE__THREADS"] = str(max(16, 2 * max(args.clients)))
    documents = str(PROJECT / "corpus" / "documents")
    subprocess.run(
        [*rag, "ingest", documents, "--store", store, "--quiet"], check=True, env=environ
    )
    generating = ["--engine", "vllm", "--model", model, "--vllm-url", vllm]
    server = subprocess.Popen(
        [*rag, "serve", "--store", store, "--port", "0", *generating],
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )
    said = server.stderr or ()
    try:
        url = next((line.split()[2] for line in said if line.startswith("Serving on ")), "")
        if not url:
            raise RuntimeError("the service did not start")
        threading.Thread(target=lambda: [None for _ in said], daemon=True).start()
        _wait_for_generation(url)
        yield url, server.pid
    finally:
        server.terminate()
        server.wait(60)


def _wait_for_generation(url: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while (state := fetched(url, "GET", "/readyz")["generation"])["problem"]:
        if time.monotonic() > end:
            raise RuntimeError(f"the service does not generate: {state['problem']}")
        time.sleep(0.2)


def fetched(url: str, method: str, path: str, body: Json | None = None) -> Any:
    """A JSON page of the service.

    :raises RuntimeError: when it is not there.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        data = json.dumps(body) if body is not None else None
        connection.request(method, path, data, {"Content-Type": "application/json"})
        response = connection.getresponse()
        page = response.read()
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {page[:300]!r}")
        return json.loads(page)
    finally:
        connection.close()


def made(shape: str, folder: Path) -> str:
    """A model with random weights; of the larger shapes only what says how large they are."""
    from tests.tiny_model import tiny_model

    tiny_model(folder)
    if SHAPES[shape]:
        config = json.loads((folder / "config.json").read_text())
        config |= {**SHAPES[shape], "dtype": "bfloat16"}
        (folder / "config.json").write_text(json.dumps(config))
        for weights in folder.glob("*.safetensors"):
            weights.unlink()
    return str(folder)


# ---- the measurement ---------------------------------------------------------------------


def measure(args: argparse.Namespace, scratch: Path) -> Json:
    """Start both sides, run the rounds of every number of clients."""
    model = args.model or made(args.shape, scratch / "model")
    if not args.model and SHAPES[args.shape]:
        args.vllm_arguments += " --load-format dummy"
    with ExitStack() as stack:
        vllm, mark = stack.enter_context(engine(args, model, scratch))
        url, pid = stack.enter_context(service(args, model, vllm, scratch))
        served = fetched(url, "GET", "/readyz")["generation"]["servers"][0]["models"][0]
        pairs = [
            Pair(one, fetched(url, "POST", "/v1/explain", asking(one, args.tokens)), args.together)
            for one in questions(args.questions)
        ]
        cores = set_apart(mark, pid) if mark and args.cores == "apart" else ()
        bench = Bench(Places(vllm, url, pid, mark, cores), served, pairs, args.apart / 1000)
        bench.warm(max(args.clients))
        measured = {str(clients): rounds_of(bench, clients, args) for clients in args.clients}
    return {
        "model": args.model or f"random weights, {args.shape}",
        "prompts": len(pairs),
        "cores_beside_the_engine": cores or None,
        "prompt_tokens": median(len(pair.explained["token_ids"]) for pair in pairs),
        "clients": measured,
    }


def rounds_of(bench: Bench, clients: int, args: argparse.Namespace) -> Json:
    """Alternate the two sides; which goes first alternates too."""
    tokens = lengths(max(args.requests, 4 * clients), args.tokens)
    rounds = []
    for number in range(args.rounds):
        order = (RAW, OURS) if number % 2 == 0 else (OURS, RAW)
        rounds += [bench.run(side, clients, tokens) for side in order]
        for one in rounds[-2:]:
            print(f"{clients} clients, round {number + 1}: {one}", file=sys.stderr, flush=True)
    return compared(rounds)


def questions(count: int) -> list[str]:
    """The first questions about the demo corpus."""
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()[:count]
    return [json.loads(line)["question"] for line in lines]


def rows(measured: Mapping[str, Json]) -> list[list[str]]:
    """The table: both sides, and how they compare, for each number of clients."""
    table = []
    for clients, of in measured.items():
        for side in (RAW, OURS):
            names = ("tokens_per_s", "decode_per_s", "first_ms", "first_p95_ms")
            figures = [f"{of[name][side]:.1f}" for name in names]
            table.append([f"{clients} {side}", *figures, "", "", str(of["tokens"][side])])
        p95 = of["first_p95_ms"][OURS] - of["first_p95_ms"][RAW]
        more = [f"{one:+.1f}" for one in (of["first_more_ms"], p95, of["first_more_bare_ms"])]
        ratios = [f"{of[name]:.3f}" for name in ("ratio", "decode_ratio")]
        cpu = f"{of['service_cpu_us_a_token']:.0f}"
        table.append([f"{clients} compared", *ratios, *more, cpu, ""])
    return table


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--clients", type=whole_numbers, default=[1, 8, 32], help="how many at once: 1,8,32")
    add("--tokens", type=int, default=128, help="of an answer, on average")
    add("--requests", type=int, default=32, help="in a round; four for each client at least")
    add("--rounds", type=int, default=3, help="of each side")
    add("--questions", type=int, default=16, help="different prompts")
    add("--apart", type=float, default=20.0, help="milliseconds between the clients' beginnings")
    add("--together", type=int, default=1, help="tokens that vLLM alone sends at once")
    add("--shape", choices=SHAPES, default="tiny", help="dimensions of the model that is made")
    add("--model", default="", help="a hub id or a folder, instead of a model that is made")
    add("--dtype", default="", help="number format of the weights, as vLLM names it")
    add("--cores", choices=("apart", "shared"), default="apart", help="see above")
    add("--vllm-bin", default="", help="the command vllm of another environment")
    add("--vllm-url", default="", help="a vLLM server that runs already, with that --model")
    add("--vllm-arguments", default="", help="more arguments for `vllm serve`, in one string")
    add("--drive", action="store_true", help=argparse.SUPPRESS)  # the process of the load
    args = parser.parse_args(arguments)
    if args.vllm_url and not args.model and not args.drive:
        parser.error("--vllm-url needs the --model that the server serves")
    args.dtype = args.dtype or ("auto" if args.model or SHAPES[args.shape] else "float32")
    return args


def whole_numbers(text: str) -> list[int]:
    """``1,8,32`` as numbers.

    :raises ValueError: when there is something else, or a number below 1.
    """
    numbers = [int(part) for part in text.split(",")]
    if min(numbers) < 1:
        raise ValueError(text)
    return numbers


def main(arguments: Sequence[str] = ()) -> None:
    """Measure and print, or make the load where a measurement asks for it."""
    args = parsed(arguments)
    if args.drive:
        print(json.dumps([asdict(one) for one in drive(json.load(sys.stdin))]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        measured = measure(args, Path(scratch))
    head = ["clients", "tokens/s", "decode", "first", "p95", "bare", "cpu", "came"]
    results.table(head, rows(measured["clients"]))
    results.save("overhead", measured)


if __name__ == "__main__":
    main(sys.argv[1:])
