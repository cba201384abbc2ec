# The bot against a real Slack and a real Azure ML workspace: docker run --env-file .env -v records:/data IMAGE
FROM python:3.11-slim
WORKDIR /app
COPY pyproject.toml README.md manifest.yml ./
COPY bot bot
COPY core core
RUN pip install --no-cache-dir '.[postgres]' && useradd --create-home bot && mkdir /data && chown bot /data
USER bot
ENV FINETUNE_BOT_FOLDER=/data
VOLUME /data
CMD ["finetune-bot", "serve", "--folder", "/data"]
