import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

from domains import triggers


def lift(apps, schema_editor):
    """SQLite rebuilds the table, which it cannot while a trigger of any table looks into it."""
    triggers.lift(schema_editor.connection, set(schema_editor.connection.introspection.table_names()))


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):
    """A charge may be for everybody: then it names neither grant nor person."""

    dependencies = [
        ("ledger", "0002_triggers"),
        ("projects", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, install),
        migrations.AlterField(
            model_name="charge",
            name="grant",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="projects.accessgrant"),
        ),
        migrations.AlterField(
            model_name="charge",
            name="person",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=Q(grant__isnull=True, person__isnull=True) | Q(grant__isnull=False, person__isnull=False),
                name="charge_grant_with_person",
            ),
        ),
        migrations.RunPython(install, lift),
    ]
