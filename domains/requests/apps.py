from django.apps import AppConfig


class RequestsConfig(AppConfig):
    name = "domains.requests"
    label = "requests"

    def ready(self) -> None:
        from domains.requests import triggers  # noqa: F401 - registers what the database promises
