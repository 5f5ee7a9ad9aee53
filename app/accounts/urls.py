"""Sign in, sign out, change the password, and the page of who is signed in."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("", views.account, name="account"),
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", views.SignOut.as_view(), name="logout"),
    path("signed-out/", views.signed_out, name="signed-out"),
    path("password/", views.ChangePassword.as_view(), name="password"),
]
