"""The project's addresses, and those that the drills' clients ask for."""

from django.urls import path

from config.urls import urlpatterns as project
from drill import views

urlpatterns = [
    *project,
    path("drill/begin/<int:client>/", views.begin),
    path("drill/guest/<int:client>/", views.guest),
    path("drill/read/", views.read),
    path("drill/write/", views.write),
]
