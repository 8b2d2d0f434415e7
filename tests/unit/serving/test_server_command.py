import sys
from pathlib import Path

from mercato.serving.binary import ServerBinary
from mercato.serving.command import build_command, build_environment, build_settings
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports
from mercato.serving.repository import StagedModel
from mercato.serving.run_folder import RunFolder
from mercato.settings import Settings

FOLDER = RunFolder(path=Path("/run/one"), prefix="mercato_abc_")
EMBEDDED = ServerBinary(
    executable=Path("/wheel/tritonserver"),
    arguments=("--backend-directory=/run/one/backends",),
    library_folders=(Path("/run/one/lib"), Path("/wheel/libs")),
)
MODELS = [StagedModel(name=name, backend="python", instances=1, folder=Path(name)) for name in ("encoder", "search")]
KEY = "k" * 43
PORTS = Ports(grpc=9001, http=9000, metrics=9002)


def test_command_line_of_a_profile() -> None:
    command = build_command(EMBEDDED, ServerOptions(profile="cpu-bls"), PORTS, FOLDER, MODELS)
    assert command[0] == "/wheel/tritonserver"
    assert {
        "--backend-directory=/run/one/backends",
        "--model-repository=/run/one/models",
        "--model-control-mode=explicit",
        "--load-model=encoder",
        "--load-model=search",
        "--model-config-name=cpu-bls",
        "--backend-config=python,shm-region-prefix-name=mercato_abc_",
        "--grpc-port=9001",
        "--http-port=9000",
        "--metrics-port=9002",
        "--grpc-address=127.0.0.1",
        "--http-address=127.0.0.1",
        "--metrics-address=127.0.0.1",
        "--exit-timeout-secs=15",
        "--grpc-restricted-protocol=model-repository,shared-memory,logging,trace:mercato-admin-key={secret}",
        "--http-restricted-api=model-repository,shared-memory,logging,trace:mercato-admin-key={secret}",
    } <= set(command)


def test_default_profile_reads_the_models_own_configuration() -> None:
    command = build_command(EMBEDDED, ServerOptions(profile="default"), PORTS, FOLDER, MODELS)
    assert not [word for word in command if word.startswith("--model-config-name")]


def test_environment_puts_what_the_stub_needs_first() -> None:
    inherited = {
        "PATH": "/usr/bin",
        "LD_LIBRARY_PATH": "/cuda",
        "PYTHONPATH": "/elsewhere",
        "PYTHONHOME": "/elsewhere",
        "LANG": "C",
    }
    environment = build_environment(EMBEDDED, ServerOptions(threads_per_process=2), FOLDER, inherited, KEY)
    assert environment == {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin",
        "LD_LIBRARY_PATH": "/run/one/lib:/wheel/libs:/cuda",
        "LANG": "C",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "NUMEXPR_NUM_THREADS": "2",
        "MERCATO_SETTINGS": "/run/one/settings.json",
        "TMPDIR": "/run/one/tmp",
        "MERCATO_TETHERED_SECRET": KEY,
    }


def test_server_on_path_keeps_its_library_path() -> None:
    binary = ServerBinary(executable=Path("/opt/tritonserver/bin/tritonserver"))
    kept = build_environment(binary, ServerOptions(), FOLDER, {"LD_LIBRARY_PATH": "/opt/lib"}, KEY)
    assert kept["LD_LIBRARY_PATH"] == "/opt/lib"
    assert "LD_LIBRARY_PATH" not in build_environment(binary, ServerOptions(), FOLDER, {}, KEY)


def test_settings_have_absolute_paths_and_null_for_what_is_not_served() -> None:
    options = ServerOptions(catalog=Path("var/c"), encoder=Path("/models/encoder"), state="sqlite:var/state.db")
    assert build_settings(options) == {
        "catalog": str(Path.cwd() / "var/c"),
        "encoder": "/models/encoder",
        "ranker": None,
        "reranker": None,
        "sequence": None,
        "dense": None,
        "dense_credentials": None,
        "dense_ca": None,
        "rules": None,
        "shards": None,
        "state": f"sqlite:{Path.cwd()}/var/state.db",
    }


def test_settings_keep_a_catalogue_link_so_that_it_can_be_switched(tmp_path: Path) -> None:
    (tmp_path / "version-1").mkdir()
    link = tmp_path / "catalog"
    link.symlink_to("version-1")
    assert build_settings(ServerOptions(catalog=link))["catalog"] == str(link)


def test_settings_hold_the_budgets_that_were_given() -> None:
    assert "stage_budgets_ms" not in build_settings(ServerOptions())
    given = build_settings(ServerOptions(stage_budgets_ms={"encoder": 200}))
    assert given["stage_budgets_ms"] == {"encoder": 200}


def test_settings_hold_the_weights_of_sources_that_were_given() -> None:
    assert "source_weights" not in build_settings(ServerOptions())
    given = build_settings(ServerOptions(catalog=Path("c"), encoder=Path("e"), source_weights={"cart.lately": 0.5}))
    assert given["source_weights"] == {"cart.lately": 0.5}
    assert Settings.model_validate(given).source_weights == {"cart.lately": 0.5}
