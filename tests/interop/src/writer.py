"""Writes config-keys one after the other until stdin closes; prints how many and the longest gap between them."""
import json
import sys
import threading
import time

import rados

cluster = rados.Rados(conffile=sys.argv[1], name="client.admin")
cluster.connect(timeout=20)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
count, longest, last = 0, 0.0, time.monotonic()
while not stop.is_set():
    command = {"prefix": "config-key set", "key": "written/last", "val": str(count)}
    code, _, message = cluster.mon_command(json.dumps(command), b"", timeout=60)
    if code:
        sys.exit(f"write {count} failed with {code}: {message}")
    now = time.monotonic()
    longest, last, count = max(longest, now - last), now, count + 1
    if count == 1:
        print("writing", file=sys.stderr, flush=True)
cluster.shutdown()
json.dump({"writes": count, "longest_gap_ms": round(longest * 1000)}, sys.stdout)
