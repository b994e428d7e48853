# The image of tickgate: the program, the libraries that it loads and root certificates; no shell, no root, nothing else.
#
#   docker build --tag tickgate .    builds everything in a container; the engine pulls the image of the first stage
#   make image                       builds the program here and makes the last stage alone of it; nothing is pulled

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN scripts/build.sh && cargo build --locked --release && scripts/image.sh tree target/release/tickgate /image

FROM scratch
COPY --from=build /image/ /
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/usr/bin/tickgate"]
