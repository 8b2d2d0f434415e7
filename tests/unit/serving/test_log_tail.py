from pathlib import Path

from mercato.serving.log_tail import LogWatch, describe_failure, read_load_failures, read_tail

START = """\
E1122 12:26:13.821699 6493 server.cc:241] "CudaDriverHelper has not been initialized."
+--------+------+
| Option | Value|
+--------+------+
Error: Failed to initialize NVML
W1122 12:26:15.251236 6493 metrics.cc:798] "DCGM unable to start: DCGM initialization error"
I1122 12:26:15.253630 6493 grpc_server.cc:2558] "Started GRPCInferenceService at 127.0.0.1:28001"
"""
FAILURE = (
    "E1122 12:53:31.752727 14184 model_lifecycle.cc:642] \"failed to load 'events' version 1: Internal: "
    'StateError: state: none is served; start with --state\\n\\nAt:\\n  assemble.py(90): _require_state\\n"\n'
    "I1122 12:53:32.218228 14184 model_lifecycle.cc:777] \"failed to load 'events'\"\n"
)


def test_tail_is_without_what_every_start_prints(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(START)
    assert read_tail(log) == [START.splitlines()[-1]]


def test_tail_has_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("".join(f"line {number}\n" for number in range(100)))
    assert read_tail(log, lines=2) == ["line 98", "line 99"]
    assert describe_failure(log).splitlines()[0] == "the end of its log:"
    assert describe_failure(log).endswith("line 98\n  line 99")


def test_model_that_cannot_be_loaded_is_named_with_its_reason(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(START + FAILURE + "I1122 unloading\n" * 50)
    assert describe_failure(log) == (
        "model events cannot be loaded: StateError: state: none is served; start with --state"
    )


def test_what_an_earlier_run_wrote_is_not_blamed_on_this_one(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(FAILURE + "I1122 this run\n")
    assert describe_failure(log, start=len(FAILURE)) == "the end of its log:\n  I1122 this run"


def test_reason_without_a_traceback() -> None:
    line = "E1122 12:00:00.0 1 model_lifecycle.cc:642] \"failed to load 'encoder' version 1: Unavailable: no GPU\""
    assert read_load_failures([line]) == {"encoder": "Unavailable: no GPU"}


def test_log_that_is_empty_or_missing(tmp_path: Path) -> None:
    assert describe_failure(tmp_path / "missing.log") == "its log is empty"
    assert describe_failure(None) == "its log is empty"


def test_an_emptied_log_says_so_and_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "triton.log"
    log.write_text("a line\n" * 9)
    watch = LogWatch(log)
    assert not watch.note_emptied()
    with log.open("a") as stream:
        stream.write("another\n")
    assert not watch.note_emptied(), "it only grew"
    log.write_text("")
    assert watch.note_emptied()
    assert log.read_text().endswith("mercato: the log was emptied, and goes on here\n")
    assert not watch.note_emptied()
    log.unlink()
    assert not watch.note_emptied() and not log.exists(), "one that was moved away is not begun again"
    assert not LogWatch(None).note_emptied()
