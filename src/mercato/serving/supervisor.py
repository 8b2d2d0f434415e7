"""Noticing models that stopped working, and reloading them.

Triton neither restarts nor reports a dead stub: requests to that instance fail while every ready endpoint says 200.
Two signs are watched. A stub process that is gone is seen within a second; a canary per model finds what hangs, or
fails without dying. A model that needs it is loaded again: its version folder is touched, because Triton ignores a load
of an unchanged model, and then its healthy instances go on answering until the new ones are ready. A model that was
unloaded is loaded again likewise, whoever did it: to serve another set of models is another start.

What the dead generation leaves (sibling stubs that Triton no longer uses, shared memory of the killed one) is removed,
or every death would cost a process and its memory until the server ends.
"""

import logging
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tritonclient.utils import InferenceServerException

from mercato.serving.canary import CanaryResult, Health, run_canary
from mercato.serving.log_tail import LogWatch
from mercato.serving.options import ServerOptions
from mercato.serving.processes import Stub, is_alive, kill_stub, list_stubs
from mercato.serving.repository import StagedModel
from mercato.serving.shared_memory import remove_regions

logger = logging.getLogger(__name__)

# A canary may be late under load; this many in a row are no accident.
CANARY_FAILURES_BEFORE_RELOAD = 3
RELOAD_TIMEOUT_S = 120.0
MOVING_STATES = ("LOADING", "UNLOADING")
# One failure of these needs no second.
CERTAIN = (Health.STUB_DEAD, Health.UNLOADED)
MAX_BACKOFF_S = 60.0
# How long Triton may take to end a replaced generation itself before what is left of it is killed.
LEFTOVER_GRACE_S = 10.0


class Supervisor:
    """Watches the models of one server in a thread of its own.

    Attributes:
        reloads: how often each model was reloaded.
    """

    def __init__(
        self,
        *,
        client: Any,
        admin_headers: Mapping[str, str],
        server_pid: int,
        is_server_alive: Callable[[], bool],
        prefix: str,
        models: Sequence[StagedModel],
        options: ServerOptions,
        log: Path | None = None,
    ) -> None:
        """Make a supervisor of a server that is ready; :meth:`start` begins watching.

        Args:
            client: a ``tritonclient.grpc.InferenceServerClient`` of that server.
            admin_headers: what opens that server's model control.
            server_pid: its process id.
            is_server_alive: whether that process still runs; watching ends when it does not.
            prefix: its shared-memory prefix.
            models: its models.
            options: intervals, timeouts and canaries.
            log: the server's log, watched for being emptied; None for none.
        """
        self.reloads: Counter[str] = Counter()
        self._client = client
        self._admin_headers = dict(admin_headers)
        self._server_pid = server_pid
        self._is_server_alive = is_server_alive
        self._prefix = prefix
        self._models = {model.name: model for model in models}
        self._options = options
        self._log = LogWatch(log)
        self._stubs: dict[str, list[Stub]] = {}
        self._failures: Counter[str] = Counter()
        self._attempts: Counter[str] = Counter()
        self._retry_at: dict[str, float] = defaultdict(float)
        self._leftovers: list[tuple[float, Stub]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mercato-supervisor", daemon=True)
        alive = _by_model(list_stubs(server_pid, prefix))
        for model in models:
            self.expect_stubs(model.name, alive[model.name])

    def start(self) -> None:
        """Begin watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended or is only waiting for the server."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout=self._options.canary_timeout_s + 1.0)

    def expect_stubs(self, name: str, stubs: Sequence[Stub]) -> None:
        """Take a model's stubs for those that are to live.

        Args:
            name: the model.
            stubs: its stubs.
        """
        self._stubs[name] = list(stubs)

    def check_processes(self) -> list[str]:
        """Find models with a stub that is gone, unloaded ones among them.

        Returns:
            Their names. A model that somebody else reloaded has new stubs, and is not among them.
        """
        suspects = [name for name, stubs in self._stubs.items() if not all(map(is_alive, stubs))]
        if not suspects:
            return []
        alive = _by_model(list_stubs(self._server_pid, self._prefix))
        dead = []
        for name in suspects:
            wanted = Counter(stub.instance for stub in self._stubs[name])
            if wanted <= Counter(stub.instance for stub in alive[name]):
                self._stubs[name] = alive[name]
            else:
                dead.append(name)
        return dead

    def check_canaries(self) -> list[str]:
        """Send each model its canary.

        Returns:
            The models that need a reload: unloaded, a stub known dead, or several failures in a row.
        """
        ailing = []
        for name in self._models:
            if name not in self._options.canaries or self._stopping.is_set():
                continue
            result = run_canary(self._client, name, self._options.canaries[name], self._options.canary_timeout_s)
            if self._judge(name, result):
                ailing.append(name)
        return ailing

    def reload(self, name: str) -> bool:
        """Load a model again, and remove what its old instances leave behind.

        Args:
            name: the model.

        Returns:
            Whether it answers afterwards.
        """
        before = self._stubs.get(name, [])
        started = time.monotonic()
        try:
            os.utime(self._models[name].folder / "1")
            self._client.load_model(name, headers=self._admin_headers, client_timeout=RELOAD_TIMEOUT_S)
        except (InferenceServerException, OSError) as exc:
            self._postpone(name, str(exc))
            return False
        self.reloads[name] += 1
        self._failures.pop(name, None)
        old = {stub.pid for stub in before}
        current = [stub for stub in list_stubs(self._server_pid, self._prefix) if stub.model == name]
        self._stubs[name] = [stub for stub in current if stub.pid not in old]
        self._leftovers += [(time.monotonic() + LEFTOVER_GRACE_S, stub) for stub in before]
        if name in self._options.canaries:
            result = run_canary(self._client, name, self._options.canaries[name], self._options.canary_timeout_s)
            if result.health not in (Health.ANSWERED, Health.OVERLOADED):
                self._postpone(name, result.message)
                return False
        self._attempts.pop(name, None)
        logger.warning("model %s reloaded in %.1f s, and answers", name, time.monotonic() - started)
        return True

    def remove_leftovers(self, *, now: float) -> None:
        """End old stubs that Triton did not end in time, and remove their shared memory.

        Args:
            now: the monotonic time in seconds; what is due by then is removed.
        """
        due = [stub for when, stub in self._leftovers if when <= now]
        self._leftovers = [(when, stub) for when, stub in self._leftovers if when > now]
        for stub in due:
            if is_alive(stub):
                logger.info("old stub %s of model %s was left behind; ended", stub.pid, stub.model)
                kill_stub(stub)
            remove_regions(stub.region)

    def _run(self) -> None:
        next_canary = time.monotonic() + self._options.canary_interval_s
        while not self._stopping.wait(self._options.check_interval_s) and self._is_server_alive():
            try:
                ailing = self.check_processes()
                if time.monotonic() >= next_canary:
                    ailing += [name for name in self.check_canaries() if name not in ailing]
                    next_canary = time.monotonic() + self._options.canary_interval_s
                self.heal(ailing)
                self.remove_leftovers(now=time.monotonic())
                self._log.note_emptied()
            except Exception:
                # Supervision must outlive whatever one pass meets; a server that is ending is no failure.
                if not self._stopping.is_set() and self._is_server_alive():
                    logger.exception("supervision: one pass failed, going on")

    def heal(self, ailing: Sequence[str]) -> None:
        """Load models again, unless they are being moved or their last reload failed a moment ago.

        Args:
            ailing: their names.
        """
        due = [name for name in ailing if time.monotonic() >= self._retry_at[name]]
        if not due or not self._is_server_alive():
            return
        index = self._client.get_model_repository_index(
            headers=self._admin_headers, client_timeout=self._options.canary_timeout_s
        )
        states = {model.name: model for model in index.models}
        for name in due:
            model = states.get(name)
            if (model is None or model.state not in MOVING_STATES) and not self._stopping.is_set():
                unloaded = model is None or model.reason == "unloaded"
                found = "is not loaded" if unloaded else "has a dead stub, or does not answer"
                logger.error("model %s %s; loading it again", name, found)
                self.reload(name)

    def _judge(self, name: str, result: CanaryResult) -> bool:
        if result.health in (Health.ANSWERED, Health.OVERLOADED):
            self._failures.pop(name, None)
            return False
        if not self._is_server_alive():
            return False
        self._failures[name] += 1
        if result.health is not Health.UNLOADED:
            logger.error("model %s: canary failed (%d in a row): %s", name, self._failures[name], result.message)
        return result.health in CERTAIN or self._failures[name] >= CANARY_FAILURES_BEFORE_RELOAD

    def _postpone(self, name: str, reason: str) -> None:
        if self._stopping.is_set() or not self._is_server_alive():
            return
        self._attempts[name] += 1
        wait_s = min(MAX_BACKOFF_S, 2.0 ** self._attempts[name])
        self._retry_at[name] = time.monotonic() + wait_s
        logger.error("model %s could not be reloaded, next try in %g s: %s", name, wait_s, reason)


def _by_model(stubs: Sequence[Stub]) -> dict[str, list[Stub]]:
    grouped: dict[str, list[Stub]] = defaultdict(list)
    for stub in stubs:
        grouped[stub.model].append(stub)
    return grouped
