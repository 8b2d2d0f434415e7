"""A stage that is as slow as a test wants: it works until the file that a word names is there."""

import time
from pathlib import Path

import triton_python_backend_utils as pb_utils

from mercato.errors import InvalidInputError
from mercato.serving import adapter
from mercato.serving.admission import Admission

HOLD = "hold:"


class TritonPythonModel:
    """Answers each word with all words that were worked on so far."""

    def initialize(self, args):
        self._worked_on = []
        self._admission = Admission()

    def execute(self, requests):
        return adapter.serve(pb_utils, requests, self._read, self._work, self._write, self._admission)

    def _read(self, request):
        word = adapter.read_fields(pb_utils, request, ("WORD",))["WORD"].decode()
        if word == "bad":
            raise InvalidInputError("WORD", "must be good")
        return word

    def _work(self, words):
        good = [word for word in words if isinstance(word, str)]
        for word in good:
            self._worked_on.append(word.partition(":")[0])
            pb_utils.Logger.log_info(f"slow: begins {word}")
            while word.startswith(HOLD) and not Path(word.removeprefix(HOLD)).exists():
                time.sleep(0.005)
        return [list(self._worked_on) if isinstance(word, str) else word for word in words]

    def _write(self, worked_on):
        return [adapter.write_strings(pb_utils, "ANSWER", worked_on)]
