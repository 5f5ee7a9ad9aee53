"""Every address of the site; each app owns what stands below its prefix."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler400 = "session_stack.errors.bad_request"
handler403 = "session_stack.errors.permission_denied"
handler404 = "session_stack.errors.page_not_found"
handler500 = "session_stack.errors.server_error"

urlpatterns = [
    path("accounts/", include("accounts.urls")),
    # One form to sign in with: nginx limits how often it is tried.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="account")),
]

# --- The lab: goes with app/lab and its block in settings.py --------------------------------------

urlpatterns.insert(0, path("", include("lab.urls")))

# --- End of the lab -------------------------------------------------------------------------------
