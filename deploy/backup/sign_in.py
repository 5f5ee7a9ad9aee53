"""Sign a user in, as a restored site must be able to; `manage.py shell` runs this."""

import secrets
import sys

from django.contrib.auth import SESSION_KEY, get_user_model
from django.test import Client

user = get_user_model()._default_manager.filter(is_active=True).first()
if user is not None:
    password = secrets.token_urlsafe(16)
    user.set_password(password)
    user.save(update_fields=["password"])
    client = Client()
    if not client.login(username=user.get_username(), password=password):
        sys.exit("a user of the backup can't sign in")
    kept = type(client.session)(client.session.session_key)
    if kept.get(SESSION_KEY) != str(user.pk):
        sys.exit("a session of the backup is not kept")
