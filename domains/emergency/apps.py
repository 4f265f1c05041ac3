from django.apps import AppConfig


class EmergencyConfig(AppConfig):
    name = "domains.emergency"
    label = "emergency"

    def ready(self) -> None:
        from domains.emergency import triggers  # noqa: F401 - registers what the database promises
