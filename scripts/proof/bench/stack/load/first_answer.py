"""Ask until there is a 200: `first_answer.py HOST PORT PATH SECONDS`.

Prints the clock's time of that answer, which all containers of a machine share.
"""

import http.client
import ssl
import sys
import time

host, port, path, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
end = time.monotonic() + seconds
while time.monotonic() < end:
    connection = http.client.HTTPSConnection(host, port, timeout=2, context=context)
    try:
        connection.request("GET", path)
        if connection.getresponse().status == 200:
            sys.stdout.write(f"{time.monotonic()}\n")
            sys.exit()
    except OSError:
        pass
    finally:
        connection.close()
    time.sleep(0.01)
sys.exit(f"no answer with 200 in {seconds:.0f} s")
