FROM rust:1.85-alpine AS build
# The legacy builder leaves this stage untagged. With the label you can find and remove it.
LABEL org.opencontainers.image.title="tp0 build"
COPY Cargo.toml Cargo.lock server.rs client.rs gen.rs /src/
COPY src /src/src
COPY templates /src/templates
RUN cargo install --locked --path /src --root /out

FROM scratch
LABEL org.opencontainers.image.title="tp0"
COPY --from=build /out/bin/server /out/bin/client /out/bin/gen /
# This is "nobody" by number, because an empty image has no table of names.
USER 65534:65534
