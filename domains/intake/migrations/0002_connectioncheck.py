

import django.db.models.deletion
import django.utils.timezone
import domains.base
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0003_connections'),
        ('intake', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ConnectionCheck',
            fields=[
                ('id', models.CharField(default=domains.base.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('relation', models.CharField(blank=True, max_length=127)),
                ('status', models.CharField(choices=[('waiting', 'Being tested'), ('passed', 'Passed'), ('refused', 'Refused')], default='waiting', max_length=12)),
                ('status_code', models.CharField(blank=True, max_length=40)),
                ('findings', models.JSONField(blank=True, default=dict)),
                ('connection', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='checks', to='catalog.connection')),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('version', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='checks', to='catalog.datasetversion')),
            ],
            options={
                'ordering': ['-created_at', '-id'],
            },
        ),
    ]
