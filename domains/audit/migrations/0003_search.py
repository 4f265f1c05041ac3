from django.db import migrations, models


class Migration(migrations.Migration):
    """Give each exact filter of the log an index that is in the log's order, so that a page of it is read off."""

    dependencies = [("audit", "0002_triggers")]
    operations = [
        migrations.AddIndex("auditevent", models.Index(fields=["event", "index"], name="audit_of_event")),
        migrations.AddIndex("auditevent", models.Index(fields=["actor", "index"], name="audit_of_actor")),
        migrations.AddIndex("auditevent", models.Index(fields=["subject", "index"], name="audit_of_subject")),
    ]
