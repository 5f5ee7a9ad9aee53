"""The pages that show what a session is."""

from django.urls import path

from lab import views

urlpatterns = [path("", views.home, name="home")]
