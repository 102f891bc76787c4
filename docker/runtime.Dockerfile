# What submissions run on: a base with Python 3.11 or newer, and the locked packages.
# Built without network, also by the legacy builder of engine 20.10.
ARG BASE
FROM ${BASE} AS build
LABEL parameter-golf.stage=build
COPY wheels/ /wheels/
COPY lock /wheels/lock
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --no-index --find-links /wheels \
    --require-hashes --no-cache-dir --disable-pip-version-check -r /wheels/lock

FROM ${BASE}
ARG ACCELERATOR
LABEL parameter-golf.accelerator=${ACCELERATOR}
COPY --from=build /opt/venv /opt/venv
