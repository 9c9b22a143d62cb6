# Two stages: the first builds the environment, the second carries it. No compiler, no installer and no shell script reach the
# second; every file that pip takes is checked against the locks by hash, and what is never run is taken out again.
FROM python:3.13-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*

WORKDIR /source
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements-build.lock \
    && python -m venv /opt/chancery \
    && /opt/chancery/bin/pip install --only-binary :all: --require-hashes -r requirements.lock

COPY . .
RUN /opt/build/bin/python -m hatchling build -t wheel -d /wheel \
    && /opt/chancery/bin/pip install --no-deps --no-index /wheel/*.whl \
    && /opt/chancery/bin/pip uninstall --yes pip \
    && python scripts/slim_environment.py /opt/chancery \
    && /opt/chancery/bin/ca-cli --version

FROM python:3.13-slim-bookworm

LABEL org.opencontainers.image.title="chancery" \
      org.opencontainers.image.description="A certificate authority and mTLS service for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0"

# The base's installer goes too: nothing is ever installed into the image.
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
    && groupadd --gid 65532 chancery \
    && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/chancery --shell /usr/sbin/nologin chancery \
    && install --directory --owner=65532 --group=65532 --mode=0700 /var/lib/chancery

COPY --from=build /opt/chancery /opt/chancery

ENV PATH=/opt/chancery/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CHANCERY_HOME=/var/lib/chancery

# Everything that is written lies here: the root file system may be read-only.
VOLUME /var/lib/chancery
WORKDIR /var/lib/chancery
USER 65532:65532

EXPOSE 8111 8112 8113

HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["ca-cli", "status", "--quiet"]

ENTRYPOINT ["ca-cli"]
CMD ["serve"]
