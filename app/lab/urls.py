"""The pages that show what a session is."""

from django.urls import path

from lab.views import (
    by_hand,
    cart,
    choose,
    compare,
    cookies,
    custom_engine,
    expiry,
    home,
    inspector,
    middleware,
    myths,
    pitfalls,
    session_settings,
    text,
    tokens,
    two_engines,
    values,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("values/", values.values, name="values"),
    path("cart/", cart.cart, name="cart"),
    path("expiry/", expiry.expiry, name="expiry"),
    path("inspector/", inspector.inspector, name="inspector"),
    path("by-hand/", by_hand.by_hand, name="by_hand"),
    path("two-engines/", two_engines.two_engines, name="two_engines"),
    path("settings/", session_settings.session_settings, name="session_settings"),
    path("middleware/", middleware.middleware, name="middleware"),
    path("custom-engine/", custom_engine.custom_engine, name="custom_engine"),
    path("choose/", choose.choose, name="choose"),
    path("compare/", compare.compare, name="compare"),
    path("cookies/", cookies.cookies, name="cookies"),
    path("cookies/over-http/", cookies.over_http, name="over_http"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("myths/", myths.myths, name="myths"),
    path("pitfalls/", pitfalls.pitfalls, name="pitfalls"),
    path("robots.txt", text.robots, name="robots"),
    path("favicon.ico", text.favicon, name="favicon"),
]
