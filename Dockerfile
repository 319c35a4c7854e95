# syntax=docker/dockerfile:1
# The commands in a container, built from the wheel:
#   docker build -t tf_muscle .                          for processors
#   docker build -t tf_muscle --build-arg DEVICE=gpu .   brings CUDA; needs NVIDIA's container toolkit
#   docker run --rm -v "$PWD:/data" tf_muscle train --data EXPORT.zip
# The page of `demo` listens on 127.0.0.1 only: give `docker run --network host` for it.
FROM python:3.11-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# Where the checkout is worked on, see .devcontainer/devcontainer.json; `docker build` passes it over.
FROM python:3.11-bookworm AS development
# Without pinned versions, which Debian removes from its mirrors. Chromium is for the tests of the page.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install -y --no-install-recommends chromium chromium-driver && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --create-home --shell /bin/bash --uid 1000 muscle
USER 1000

FROM python:3.11-slim-bookworm
ARG DEVICE=cpu
COPY constraints.txt /tmp/
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    case "$DEVICE" in \
        cpu) extras=demo,heic,lab,litert,onnx ;; \
        gpu) extras=gpu,demo,heic,lab,litert,onnx ;; \
        *) echo "DEVICE must be cpu or gpu, got $DEVICE" >&2; exit 2 ;; \
    esac && \
    pip install --no-cache-dir -c /tmp/constraints.txt "$(echo /wheels/*.whl)[$extras]" && \
    useradd --create-home --uid 1000 muscle
USER 1000
WORKDIR /data
ENTRYPOINT ["tf-muscle"]
