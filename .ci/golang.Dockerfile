# A stand-in for the official golang image: the machine's own Go on the Debian base, and the
# modules that it has downloaded, so that an image builds without a network.
ARG BASE
FROM ${BASE}
ARG GOROOT
COPY ${GOROOT} /usr/local/go
COPY download /modules
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV GOPROXY=file:///modules GOSUMDB=off GOTOOLCHAIN=local
