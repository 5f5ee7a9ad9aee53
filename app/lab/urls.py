"""The pages that show what a session is."""

from django.urls import path

from lab.views import cart, compare, cookies, expiry, home, inspector, pitfalls, text, values

urlpatterns = [
    path("", home.home, name="home"),
    path("values/", values.values, name="values"),
    path("cart/", cart.cart, name="cart"),
    path("expiry/", expiry.expiry, name="expiry"),
    path("inspector/", inspector.inspector, name="inspector"),
    path("compare/", compare.compare, name="compare"),
    path("cookies/", cookies.cookies, name="cookies"),
    path("pitfalls/", pitfalls.pitfalls, name="pitfalls"),
    path("robots.txt", text.robots, name="robots"),
    path("favicon.ico", text.favicon, name="favicon"),
]
