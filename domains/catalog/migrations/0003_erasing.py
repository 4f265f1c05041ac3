"""A version can be erased: when it is due, and two states more."""

from django.conf import settings
from django.db import migrations, models

from domains import triggers


def lift(apps, schema_editor):
    """SQLite rebuilds the table, which it cannot while a trigger of any table looks into it."""
    triggers.lift(schema_editor.connection, set(schema_editor.connection.introspection.table_names()))


def install(apps, schema_editor):
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_triggers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(lift, install),
        migrations.AddField(
            model_name='datasetversion',
            name='erase_due_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='datasetversion',
            name='status',
            field=models.CharField(choices=[('draft', 'Draft'), ('published', 'Published'), ('retired', 'Retired'), ('erasing', 'Being erased'), ('erased', 'Erased')], default='draft', max_length=16),
        ),
        migrations.AddConstraint(
            model_name='datasetversion',
            constraint=models.CheckConstraint(condition=models.Q(('erase_due_at__isnull', True), ('status__in', ['erasing', 'erased']), _connector='XOR'), name='version_erasing_is_due'),
        ),
        migrations.RunPython(install, migrations.RunPython.noop),
    ]
