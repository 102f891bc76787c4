# The image of both phases: the runtime, a user without rights, our scoring worker, and a list of
# the packages.
ARG RUNTIME
FROM ${RUNTIME}
RUN printf 'sandbox:x:10001:10001:sandbox:/tmp:/usr/sbin/nologin\n' >> /etc/passwd \
 && printf 'sandbox:x:10001:\n' >> /etc/group
COPY worker.py packages.py /opt/harness/
RUN PATH="/opt/venv/bin:$PATH" python -I /opt/harness/packages.py > /opt/harness/packages.json
USER 10001:10001
WORKDIR /
HEALTHCHECK NONE
ENTRYPOINT []
CMD []
