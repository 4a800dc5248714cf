# One image for every server of Likewise; the command says which role it plays.
FROM python:3.11-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# The lock first: source changes do not install the packages anew.
COPY requirements.lock .
RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock

COPY . .
RUN python -m pip install --no-cache-dir --no-deps . \
    && useradd --create-home --uid 10001 likewise \
    # Volumes take over the owner of the folder they are first mounted on.
    && mkdir -p .likewise feature_repo/data && chown -R likewise:likewise .likewise feature_repo

USER likewise
# The home that feature_store.yaml names by ../.likewise.
ENV LIKEWISE_HOME=/app/.likewise LIKEWISE_REPO=/app/feature_repo
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]

ENTRYPOINT ["likewise"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
