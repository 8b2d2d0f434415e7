"""Answers its input: the smallest model that has a stub process."""

import json
import os
import sys

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Copies ``VALUE`` to ``ECHO``."""

    def initialize(self, args):
        settings = json.load(open(os.environ["MERCATO_SETTINGS"]))
        pb_utils.Logger.log_info(f"echo: python {sys.version.split()[0]} in {sys.prefix}, settings {sorted(settings)}")

    def execute(self, requests):
        values = [pb_utils.get_input_tensor_by_name(request, "VALUE").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("ECHO", value)]) for value in values]
