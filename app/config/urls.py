"""Every address of the site; each app owns what stands below its prefix."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

handler400 = "lab.errors.bad_request"
handler403 = "lab.errors.permission_denied"
handler404 = "lab.errors.page_not_found"
handler500 = "lab.errors.server_error"

urlpatterns = [
    path("", include("lab.urls")),
    path("accounts/", include("accounts.urls")),
    # One form to sign in with: nginx limits how often it is tried.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
    path("health/", include("session_stack.health.urls")),
]
