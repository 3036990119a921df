# SPDX-License-Identifier: MIT
"""What the tests of the dbpool command share: running it, and looking at what it printed."""

import json
import os
import subprocess
import sys
import unittest

TOOL = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else ""
TIMEOUT_S = 120


def environment(**changes):
    env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    return {**env, "TERM": "xterm", **changes}


class CommandTest(unittest.TestCase):
    """A test case that runs the command."""

    maxDiff = None

    def run_tool(self, *args, code=0, text=None, stdout=subprocess.PIPE, **env):
        """Run it, expect an exit code, and return what was printed to standard output and to standard error."""
        done = subprocess.run([TOOL, *map(str, args)], input=text, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT_S,
                              env=environment(**env), check=False)
        self.assertEqual(done.returncode, code, (args, done.stdout, done.stderr))
        for printed in (done.stdout or "", done.stderr):
            self.assertNotIn("\033", printed)
        return done.stdout, done.stderr

    def run_json(self, *args, **more):
        """Run it with --json on standard output and return the document."""
        return json.loads(self.run_tool(*args, **more)[0])

    def start_tool(self, *args):
        """Start it, to be read and signalled while it runs."""
        process = subprocess.Popen([TOOL, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        self.addCleanup(self.end, process)
        return process

    def finish(self, process, code):
        """Wait for its end and return what is left of its outputs."""
        out, err = process.communicate(timeout=TIMEOUT_S)
        self.assertEqual(process.returncode, code, (out, err))
        return out, err

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
