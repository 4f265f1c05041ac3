from django.apps import AppConfig


class NodeConfig(AppConfig):
    name = "domains.node"
    label = "node"

    def ready(self) -> None:
        from domains.node import triggers  # noqa: F401 - registers what the database promises
