"""`finetune-bot demo`: a person lives the whole life of a model in the local Slack."""
