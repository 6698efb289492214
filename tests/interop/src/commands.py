"""Runs command lines as the stock `ceph` does, all in one process: its parser, its library, no start-up each time.

Standard input is a JSON list; an entry is either a command line (a list of words; `-i TEXT` gives input) or the
JSON of a command. Printed are code, message and output of each.
"""
import json
import sys

import rados
from ceph_argparse import parse_json_funcsigs, validate_command

INVALID = 22

cluster = rados.Rados(conffile=sys.argv[1], name="client.admin")
cluster.connect(timeout=20)


def ask(command, data=b""):
    code, output, message = cluster.mon_command(json.dumps(command), data, timeout=30)
    return {"code": code, "message": message, "output": output.decode("utf-8", "replace")}


signatures = parse_json_funcsigs(ask({"prefix": "get_command_descriptions"})["output"], "cli")
replies = []
for command in json.load(sys.stdin):
    if isinstance(command, dict):
        data = command.pop("-i", "").encode()
        replies.append(ask(command, data))
        continue
    data = b""
    if "-i" in command:
        at = command.index("-i")
        data = command[at + 1].encode()
        del command[at : at + 2]
    try:
        valid = validate_command(signatures, command)
    except Exception as error:
        replies.append({"code": -INVALID, "message": f"refused by the parser: {error}", "output": ""})
        continue
    if valid:
        replies.append(ask(valid, data))
    else:
        replies.append({"code": -INVALID, "message": "refused by the parser", "output": ""})
cluster.shutdown()
json.dump(replies, sys.stdout)
