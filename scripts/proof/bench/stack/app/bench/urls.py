"""The project's addresses, and those that are measured."""

from django.urls import path

from bench import views
from config.urls import urlpatterns as project

# First, so that how many addresses the project has costs nothing here.
urlpatterns = [
    path("bench/ping", views.ping),
    path("bench/read", views.read),
    path("bench/write", views.write),
    *project,
]
