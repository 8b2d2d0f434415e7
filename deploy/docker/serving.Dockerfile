# The image that serves: NVIDIA's Triton, with Mercato in an environment of its own.
# Built from the top of the repository: docker build -f deploy/docker/serving.Dockerfile -t mercato-serving .
# The month is the same as in engines.Dockerfile: an engine only loads in the TensorRT that built it.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:25.06-py3
ARG PYTHON_IMAGE=python:3.12.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS wheels
ARG PIP_INDEX_URL
WORKDIR /source
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt hatchling
COPY pyproject.toml README.md LICENSE ./
COPY client/ client/
COPY src/ src/
COPY export/ export/
COPY training/ training/
COPY model_repository/ model_repository/
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels ./client .

FROM ${TRITON_IMAGE} AS serving
ARG PIP_INDEX_URL
# The environment is made by the image's own Python 3.12, which Triton's python stub is linked with. It shares no
# package with the system: numpy is the one of constraints.txt, not the image's.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    python3 -m venv --without-pip /opt/mercato \
    && python3 -m pip --python /opt/mercato/bin/python install --no-cache-dir --constraint /constraints.txt /wheels/*.whl \
    && groupadd --gid 10001 mercato \
    && useradd --uid 10001 --gid mercato --home-dir /srv/mercato --no-create-home --shell /usr/sbin/nologin mercato \
    && install --directory --owner=mercato --group=mercato \
        /srv/mercato /srv/mercato/var /srv/mercato/var/models /srv/mercato/var/catalog /srv/mercato/var/state
# The stub finds its packages through the first python3 on PATH.
ENV PATH=/opt/mercato/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --chmod=755 deploy/docker/once.sh /usr/local/bin/once
USER 10001:10001
# Paths in commands and in the documentation are relative to this folder, as in a checkout.
WORKDIR /srv/mercato
RUN mercato serve --help > /dev/null
# gRPC, HTTP, metrics
EXPOSE 8001 8000 8002
# An inference, because Triton's ready endpoint answers 200 while a model's python process is dead.
HEALTHCHECK --interval=30s --timeout=15s --start-period=180s --retries=3 \
    CMD ["mercato", "search", "canary", "--page-size", "1", "--json"]
# NVIDIA's entry point puts the CUDA libraries of the image before an older driver's, then becomes the command.
# The python backend keeps tensors in /dev/shm: start the container with --shm-size=1g.
ENTRYPOINT ["/opt/nvidia/nvidia_entrypoint.sh", "mercato", "serve"]
CMD ["--help"]
