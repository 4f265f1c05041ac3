from django.db import migrations

from domains import triggers


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):
    """Install the triggers as part of the schema; `post_migrate` does so again after later changes."""

    dependencies = [("node", "0001_initial")]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
