"""What no test can measure: where each engine keeps a session, in a few words."""

WHERE: dict[str, str] = {
    "db": "a row in Postgres",
    "cached_db": "a row in Postgres, with a copy in Redis before it",
    "cache": "a key in Redis",
    "file": "a file in a folder of the server",
    "signed_cookies": "your browser’s cookie, and nowhere else",
}
