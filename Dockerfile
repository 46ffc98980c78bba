FROM rust:1.85-alpine AS build
# The legacy builder leaves this stage untagged; by this label it is found and removed.
LABEL org.opencontainers.image.title="tp0 build"
# In few steps, for the legacy builder takes its time to keep each of them.
COPY Cargo.toml Cargo.lock server.rs client.rs gen.rs /src/
COPY src /src/src
COPY templates /src/templates
RUN cargo install --locked --path /src --root /out

FROM scratch
LABEL org.opencontainers.image.title="tp0" \
      org.opencontainers.image.description="Echo server (/server), client (/client) and Compose generator (/gen)"
COPY --from=build /out/bin/server /out/bin/client /out/bin/gen /
# A number, for an empty image has no names to look up: "nobody" wherever there is one.
USER 65534:65534
