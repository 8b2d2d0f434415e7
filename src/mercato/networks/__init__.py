"""Networks as ONNX Runtime reads and runs them: for every model, and for what an index multiplies."""
