"""Sign in, sign out, change the password; each shows what it does to the session's key."""

import re

from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache

from accounts.fingerprint import LENGTH, fingerprint
from accounts.steps import current, record, steps


@never_cache
@login_required
def account(request: HttpRequest) -> HttpResponse:
    """Show whose session this is, and what became of its key."""
    context = {"steps": steps(request), "fingerprint": current(request)}
    return render(request, "accounts/account.html", context)


class SignIn(LoginView):
    """Sign in: the session keeps its contents and gets a new key."""

    template_name = "accounts/login.html"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Remember the key from before."""
        before = current(self.request)
        response = super().form_valid(form)
        record(self.request, "signed in", before)
        return response

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Show the key from before."""
        return super().get_context_data(**kwargs) | {"fingerprint": current(self.request)}


class SignOut(LogoutView):
    """Sign out: the session ends on the server, and its key with it."""

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Take the fingerprint along: no session will remember it."""
        self.before = fingerprint(request.session.session_key)
        return super().post(request, *args, **kwargs)

    def get_default_redirect_url(self) -> str:
        """Return the page that says so."""
        return f"{reverse('signed-out')}?before={self.before}"


@never_cache
def signed_out(request: HttpRequest) -> HttpResponse:
    """Say that the session is gone, and which one it was."""
    before = request.GET.get("before", "")
    known = re.fullmatch(rf"[0-9a-f]{{{LENGTH}}}", before)
    context = {"before": before if known else "", "after": current(request)}
    return render(request, "accounts/signed_out.html", context)


class ChangePassword(PasswordChangeView):
    """Change the password: this session gets a new key, and every other one of the user ends."""

    template_name = "accounts/password.html"
    success_url = reverse_lazy("account")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Remember the key from before."""
        before = current(self.request)
        response = super().form_valid(form)
        record(self.request, "changed the password", before)
        return response
