"""Sign in, sign out, and the page of who is signed in."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.account, name="account"),
    path(
        "login/",
        LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=False),
        name="login",
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
]
