"""Every address of the site; each app owns what stands below its prefix."""

from django.urls import include, path

urlpatterns = [
    path("", include("lab.urls")),
    path("accounts/", include("accounts.urls")),
    path("health/", include("health.urls")),
]
