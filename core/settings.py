"""Configuration from the environment, by pydantic-settings; every setting is in README's table."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_FOLDER = Path(".finetune-bot")


class SlackSettings(BaseSettings):
    """How the bot reaches Slack; the names are those of Slack's own samples."""

    model_config = SettingsConfigDict(env_prefix="SLACK_", extra="ignore")

    bot_token: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    signing_secret: SecretStr = SecretStr("")
    api_url: str = Field(default="https://slack.com/api/", pattern=r"^https?://\S+$")


class AzureSettings(BaseSettings):
    """Which workspace the bot works in; empty ids mean the SDK's own config.json."""

    model_config = SettingsConfigDict(env_prefix="AZURE_", extra="ignore")

    subscription_id: str = ""
    resource_group: str = ""
    ml_workspace: str = ""
    ml_registry: str = "azureml"


class Settings(BaseSettings):
    """Everything else that a team may want to change."""

    model_config = SettingsConfigDict(env_prefix="FINETUNE_BOT_", extra="ignore")

    folder: Path = DEFAULT_FOLDER
    """Where records and prepared datasets are kept."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in `folder`."""
    model: str = "Phi-4"
    """The base model when a command names none."""
    component: str = "chat_completion_pipeline"
    component_version: str = ""
    """Pinned version of the pipeline component; empty: the latest."""
    compute: str = "gpu-cluster"
    """The compute when a command names none."""
    instance_type: str = "Standard_NC24ads_A100_v4"
    """The deployment's size when a command names none."""
    admins: str = ""
    """Slack user ids, separated by commas, who may act on everybody's jobs and endpoints."""
    spenders: str = ""
    """Slack user ids, separated by commas, who may plan and confirm what costs money; empty: everybody."""
    models: str = "Phi-4,Phi-4-mini-instruct"
    """Base models, separated by commas, that the forms offer first."""
    plan_lifetime: timedelta = timedelta(hours=1)
    """How long a plan may be confirmed."""
    idle_after: timedelta = timedelta(hours=2)
    """Without requests for this long an endpoint is idle."""
    remind_every: timedelta = timedelta(hours=24)
    """How long after a reminder the next one comes."""
    keep_for: timedelta = timedelta(hours=24)
    """How long the Keep button silences reminders."""
    observe_every: timedelta = timedelta(seconds=15)
    """How often a running job or a changing endpoint is looked at."""
    watch_every: timedelta = timedelta(minutes=1)
    """How often a serving endpoint is looked at."""
    card_every: timedelta = timedelta(seconds=4)
    """The least time between two updates of one card."""
    workers: int = Field(default=4, ge=1, le=32)
    """Threads that carry out steps."""
    data_folders: str = ""
    """Folders, separated by colons, in which `/ft-data` may read files; empty: wherever the bot's user may."""
    hub_token: SecretStr = SecretStr("")
    """Hugging Face token for gated datasets."""

    @property
    def database(self) -> str:
        """Return the SQLAlchemy URL of the records."""
        return self.database_url or f"sqlite:///{self.folder.absolute() / 'records.sqlite'}"

    @property
    def readable_folders(self) -> tuple[Path, ...]:
        """Return the folders of `data_folders`."""
        return tuple(Path(part).expanduser().resolve() for part in self.data_folders.split(":") if part.strip())

    @property
    def admin_ids(self) -> frozenset[str]:
        """Return the Slack ids of the admins."""
        return frozenset(_listed(self.admins))

    @property
    def spender_ids(self) -> frozenset[str]:
        """Return the Slack ids of who may spend, admins included; empty: everybody may."""
        return frozenset(_listed(self.spenders)) | self.admin_ids if _listed(self.spenders) else frozenset()

    @property
    def offered_models(self) -> tuple[str, ...]:
        """Return the names of the base models that the forms offer first, the team's default before all."""
        return tuple(dict.fromkeys((self.model, *_listed(self.models))))


def _listed(names: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in names.split(",") if part.strip())
