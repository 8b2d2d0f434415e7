"""From PyTorch modules to what Triton serves: ONNX, quantised ONNX and engines, each behind a parity gate."""
