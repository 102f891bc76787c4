# What entries in upstream's layout run on without accelerators: a base whose Python has PyTorch and
# NumPy, and the locked packages. Built without network, also by the legacy builder of engine 20.10.
ARG BASE
FROM ${BASE} AS build
LABEL parameter-golf.stage=build
COPY wheels/ /wheels/
COPY lock /wheels/lock
# Of Triton, only its interpreter can work here: what compiles for GPUs, and watches them, is 240 MB.
# The base's own torchrun would start the base's Python, which does not see these packages.
RUN python3 -m venv --system-site-packages /opt/venv \
 && /opt/venv/bin/python -m pip install --no-index --find-links /wheels \
    --require-hashes --no-cache-dir --disable-pip-version-check -r /wheels/lock \
 && cd /opt/venv/lib/python3*/site-packages/triton \
 && rm -rf backends/nvidia/bin backends/nvidia/lib backends/nvidia/include \
    _C/libproton.so instrumentation plugins FileCheck \
 && printf '%s\n' '#!/opt/venv/bin/python' 'from torch.distributed.run import main' 'main()' \
    > /opt/venv/bin/torchrun \
 && chmod 755 /opt/venv/bin/torchrun

FROM ${BASE}
ARG ACCELERATOR
LABEL parameter-golf.accelerator=${ACCELERATOR}
COPY --from=build /opt/venv /opt/venv
COPY without_libuv.py /tmp/
RUN cd "$(python3 -c 'import torch; print(torch.__path__[0])')/distributed" \
 && cat /tmp/without_libuv.py >> __init__.py && rm -rf __pycache__/__init__.* /tmp/without_libuv.py
