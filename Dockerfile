# The image of the action: one static binary, the certificates it trusts, and nothing else.
ARG GOLANG=golang:1.26.8-bookworm

FROM ${GOLANG} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY main.go ./
COPY internal internal
COPY testdata/hub testdata/hub
COPY testdata/pull-request testdata/pull-request
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/hub-publish .
# The runner mounts the Docker socket at /var/run/docker.sock. Through the link the mount lands in /run, so a base image
# whose /var/run is the same link (Debian's is) can be unpacked over it.
RUN mkdir -p /out/root/run /out/root/var && ln -s /run /out/root/var/run
# By this name the program knows that it is to be a worker, in a container of its own.
RUN mkdir -p /out/root/kaniko && ln -s hub-publish /out/root/kaniko/hub-publish-worker

# No USER: a container action must be root to reach the workspace.
FROM scratch
COPY --from=build /out/hub-publish /kaniko/hub-publish
COPY --from=build /etc/ssl/certs/ca-certificates.crt /kaniko/ssl/certs/ca-certificates.crt
COPY --from=build /out/root/ /
ENV SSL_CERT_FILE=/kaniko/ssl/certs/ca-certificates.crt
LABEL org.opencontainers.image.source=https://github.com/jina/hub-publish
ENTRYPOINT ["/kaniko/hub-publish"]
