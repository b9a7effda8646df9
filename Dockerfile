# elastik in a container. The image has one file, the bundle, and Deno. It runs as a user without rights,
# and needs no writable folder but /data and /tmp. How to use it: worlds/usr/share/doc/container.md
FROM denoland/deno:2.9.6 AS build
WORKDIR /src
COPY . .
RUN ["deno", "task", "bundle"]
RUN ["mkdir", "-p", "/empty/data"]

FROM denoland/deno:distroless-2.9.6
COPY --from=build --chown=0:0 /src/dist/elastik.js /elastik/elastik.js
COPY --from=build --chown=65532:65532 /empty/data /data
ENV DENO_DIR=/tmp/deno \
    DENO_NO_UPDATE_CHECK=1 \
    ELASTIK_DATA=/data \
    ELASTIK_HOST=0.0.0.0 \
    ELASTIK_LOG=line \
    ELASTIK_PORT=3005
USER 65532:65532
WORKDIR /data
VOLUME ["/data"]
EXPOSE 3005
# With TLS, the check connects only: the name in the certificate is not known here.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["deno", "eval", "--no-config", "const port = Number(Deno.env.get('ELASTIK_PORT')); if (Deno.env.get('ELASTIK_TLS_CERT')) (await Deno.connect({ port })).close(); else if (!(await fetch(`http://127.0.0.1:${port}/proc/health`)).ok) Deno.exit(1);"]
ENTRYPOINT ["deno", "run", "-A", "--no-prompt", "--no-config", "--unstable-worker-options", "/elastik/elastik.js"]
