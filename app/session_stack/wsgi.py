"""What gunicorn serves: the project's application, behind health and the reading of bodies."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from session_stack.bodies import read_whole
from session_stack.health.answers import with_health

# The settings come first: a project's own module may name others in the environment.
_name = settings.WSGI_APPLICATION
application = with_health(read_whole(import_string(_name) if _name else get_wsgi_application()))
