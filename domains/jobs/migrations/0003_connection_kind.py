from django.db import migrations, models

from domains import triggers


def lift(apps, schema_editor):
    triggers.lift(schema_editor.connection)


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):
    """Name the jobs that test connections. SQLite rebuilds the table, so triggers are lifted and put back."""

    dependencies = [
        ('jobs', '0002_triggers'),
    ]

    operations = [
        migrations.RunPython(lift, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='job',
            name='kind',
            field=models.CharField(choices=[('query', 'private query'), ('mock_query', 'query on mock data'), ('profile', 'check of an upload'), ('conform', 'making of a dataset version'), ('connection', 'test of a connection')], max_length=12),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
