"""What the policy said on submission, rule by rule, is kept with the request."""

from django.db import migrations, models

from domains import triggers


def lift(apps, schema_editor):
    """SQLite rebuilds the table, which it cannot while a trigger of any table looks into it."""
    triggers.lift(schema_editor.connection, set(schema_editor.connection.introspection.table_names()))


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('requests', '0002_approval_rules'),
    ]

    operations = [
        migrations.RunPython(lift, install),
        migrations.AddField(
            model_name='analysisrequest',
            name='policy_findings',
            field=models.JSONField(blank=True, default=list),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
