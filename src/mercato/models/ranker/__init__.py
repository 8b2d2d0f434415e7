"""The ranker: its files, and running it on ONNX Runtime."""
