from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "domains.delivery"
    label = "delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from domains.delivery.stuck import STUCK
        from domains.notices import stuck

        stuck.register(*STUCK)
