"""``mercato serve`` over the echo repository: ``python serve_echo.py LOG RUN_ROOT``; run by test_server_lifecycle."""

import logging
import sys
from pathlib import Path

from mercato.cli.serve import run_server
from mercato.errors import MercatoError
from mercato.serving.options import ServerOptions
from mercato.serving.ports import Ports

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    options = ServerOptions(
        repository=Path(__file__).with_name("echo_repository"),
        models=("echo",),
        canaries={"echo": None},
        ports=Ports(grpc=0, http=0, metrics=0),
        log=Path(sys.argv[1]),
        run_root=Path(sys.argv[2]),
    )
    try:
        run_server(options, as_json=True, report_memory=True)
    except MercatoError as exc:
        sys.exit(f"error: {exc}")
