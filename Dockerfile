# One image for both nodes: a worker by default, a balancer with
#   docker run ... slotgrid python -m balancer
#
# Run a worker:
#   docker run --shm-size=1g -p 3000:3000 -e AUTH_KEY=... slotgrid
#
# - AUTH_KEY is asked for, since the node listens on every address of its container.
# - --shm-size: Chromium keeps the pages' pictures in /dev/shm, of which Docker gives 64 MB.
# - Chromium's sandbox needs user namespaces, which Docker's default seccomp profile refuses to a
#   user who is not root. With BROWSER_SANDBOX=auto the worker then goes without it and says so; to
#   keep it, run with --security-opt seccomp=profile.json, a copy of that profile which allows
#   clone, setns and unshare with CLONE_NEWUSER.

# The Python and the Debian that the tests run on. Pin by digest for builds that repeat exactly:
#   docker build --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

# hadolint ignore=DL3006
FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# The packages change seldom, the project often: two layers. Only aiohttp-apispec has no wheel of
# its own; it is built with the locked tools, which stay behind in this stage. The locks are complete:
# nothing is resolved (--no-deps), and `pip check` says so.
COPY requirements.lock requirements-build.lock ./
RUN pip install --no-deps --require-hashes --only-binary=:all: -r requirements-build.lock \
    && pip wheel --no-deps --require-hashes --only-binary=:all: --no-binary=aiohttp-apispec \
        --no-build-isolation --wheel-dir /wheels -r requirements.lock \
    && python -m venv --without-pip /opt/slotgrid \
    && pip --python /opt/slotgrid/bin/python install --no-compile --no-index --no-deps /wheels/*.whl

COPY pyproject.toml README.md ./
COPY slotgrid slotgrid
COPY worker worker
COPY balancer balancer
# Bytecode that names no times: it is the same at every build, and a read-only image starts fast.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /project . \
    && pip --python /opt/slotgrid/bin/python install --no-compile --no-index --no-deps /project/*.whl \
    && pip --python /opt/slotgrid/bin/python check \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/slotgrid/lib

# hadolint ignore=DL3006
FROM ${BASE}
# Chromium without pinned versions: Debian keeps only the newest, and its security fixes are wanted.
# libatomic1 is for Playwright's driver. The fonts draw all scripts (worker/browser/fonts.py), in MB:
# Chinese, Japanese and Korean 89, emoji 11, all others 43, monospace 1, and Liberation, which pages
# mean by Arial and Times, 2. A worker whose pages need no Asian script saves most by an image
# without fonts-noto-cjk.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium-headless-shell libatomic1 tini \
        fonts-liberation fonts-noto-mono fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji \
    && rm -rf /var/lib/apt/lists/* /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log \
    && useradd --uid 10001 --user-group --create-home slotgrid \
    && install -d -o slotgrid -g slotgrid /app /data

COPY --from=build /opt/slotgrid /opt/slotgrid
WORKDIR /app
COPY functions functions

ENV PATH=/opt/slotgrid/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data
USER 10001:10001
VOLUME /data
EXPOSE 3000 4000

# The loop turns: a node that is starting or draining is alive as well.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/livez', timeout=4)"]

# tini reaps what Chromium leaves behind and hands SIGTERM on, by which a node drains.
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "worker"]
