"""Answers for the container's own health check; nginx lets nobody else ask."""

from django.urls import path

from session_stack.health import views

urlpatterns = [
    path("live", views.live, name="health-live"),
    path("ready", views.ready, name="health-ready"),
]
