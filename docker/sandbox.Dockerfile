# The image of both phases: the runtime, a user without rights, and our scoring worker.
ARG RUNTIME
FROM ${RUNTIME}
RUN printf 'sandbox:x:10001:10001:sandbox:/tmp:/usr/sbin/nologin\n' >> /etc/passwd \
 && printf 'sandbox:x:10001:\n' >> /etc/group
COPY worker.py /opt/harness/worker.py
USER 10001:10001
WORKDIR /
HEALTHCHECK NONE
ENTRYPOINT []
CMD []
