from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0003_synthetic_kinds'),
    ]

    operations = [
        migrations.AlterField(
            model_name='job',
            name='kind',
            field=models.CharField(choices=[('query', 'private query'), ('mock_query', 'query on mock data'), ('profile', 'check of an upload'), ('conform', 'making of a dataset version'), ('connection', 'test of a connection'), ('fit', "fit of a workload's model"), ('measurement', 'measurement for a synthetic mock'), ('synthesis', 'making of a synthetic mock'), ('verification', 'check of the log and the ledger')], max_length=12),
        ),
    ]
