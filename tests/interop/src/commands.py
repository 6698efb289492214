"""Runs monitor commands given as a JSON list on stdin; prints code, message and output of each."""
import json
import sys

import rados

cluster = rados.Rados(conffile=sys.argv[1], name="client.admin")
cluster.connect(timeout=20)
replies = []
for command in json.load(sys.stdin):
    data = command.pop("-i", "").encode()
    code, output, message = cluster.mon_command(json.dumps(command), data, timeout=20)
    replies.append({"code": code, "message": message, "output": output.decode("utf-8", "replace")})
cluster.shutdown()
json.dump(replies, sys.stdout)
