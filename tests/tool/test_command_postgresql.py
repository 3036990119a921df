#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The dbpool command against a PostgreSQL server of its own, which it may break. Skipped (77) when PostgreSQL is not installed.

usage: test_command_postgresql.py DBPOOL [unittest arguments]
"""

import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from command import CommandTest, main

PASSWORD = "s3kret-4711"


def find_program(name):
    """On the PATH, or where Debian puts it."""
    return shutil.which(name) or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), reverse=True)), None)


class Server:
    """A cluster in a temporary directory, on a socket there; its user is "app", with a password."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="dbpool-pg-", dir="/tmp")
        self.data = os.path.join(self.place, "data")
        # The server refuses to run as root.
        self.user = next(name for name in ("postgres", "nobody") if self.exists(name)) if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.place, self.user)
        password_file = os.path.join(self.place, "password")
        with open(password_file, "w", encoding="utf-8") as file:
            file.write(PASSWORD)
        os.chmod(password_file, 0o644)
        self.call("initdb", "-D", self.data, "-U", "app", "-A", "scram-sha-256", "--pwfile", password_file, "-N")
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.place}'\nport = 5432\nfsync = off\n"
                       "max_connections = 20\nsuperuser_reserved_connections = 3\nlog_destination = stderr\n")
        self.control("start")

    @staticmethod
    def exists(name):
        try:
            return bool(pwd.getpwnam(name))
        except KeyError:
            return False

    def call(self, name, *args):
        subprocess.run([find_program(name), *args], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, user=self.user, cwd="/", timeout=60)

    def control(self, action, *more):
        self.call("pg_ctl", "-D", self.data, "-l", os.path.join(self.place, "log"), "-w", "-m", "immediate", *more, action)

    def url(self, options="", password=PASSWORD):
        return f"postgresql://app:{password}@/postgres?host={self.place}{options}"

    def sql(self, statement):
        """Run a statement and return what psql prints."""
        done = subprocess.run(["psql", "-XqAt", "-h", self.place, "-U", "app", "-d", "postgres", "-c", statement], check=True,
                              capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORD, "PGAPPNAME": "other"}, timeout=60)
        return done.stdout.strip()

    def stop_processes(self):
        """Stop the processes of the server, so that it answers nothing; returns what makes them go on."""
        with open(os.path.join(self.data, "postmaster.pid"), encoding="utf-8") as file:
            pids = [int(file.readline())]
        pids += map(int, self.sql("select pid from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'").split())
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return lambda: [os.kill(pid, signal.SIGCONT) for pid in pids]

    def destroy(self):
        subprocess.run([find_program("pg_ctl"), "-D", self.data, "-m", "immediate", "-w", "stop"], check=False, user=self.user, cwd="/",
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        shutil.rmtree(self.place, ignore_errors=True)


class OnPostgresql(CommandTest):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.destroy)

    def run_tool(self, *args, **more):
        out, err = super().run_tool(*args, **more)
        for printed in (out or "", err):
            self.assertNotIn(PASSWORD, printed)
            self.assertNotIn("wrong-4711", printed)
        return out, err


class Check(OnPostgresql):
    def codes(self, options=""):
        return {warning["code"] for warning in self.run_json("check", self.server.url(options), "--json")["warnings"]}

    def test_it_tells_what_the_server_is(self):
        got = self.run_json("check", self.server.url(), "--json")
        facts = got["facts"]
        self.assertTrue(facts["server"].startswith("PostgreSQL "))
        self.assertEqual((facts["user"], facts["database"], facts["role"], facts["encryption"]), ("app", "postgres", "primary", "none"))
        self.assertEqual((facts["max_connections"], facts["reserved_connections"]), (20, 3))
        self.assertTrue(got["local"])
        self.assertEqual((got["round_trip_ms"]["count"], got["warnings"]), (20, []))
        out, _ = self.run_tool("check", self.server.url())
        self.assertRegex(out, r"(?m)^connections +20 at most, 3 of them reserved, \d+ in use$")
        self.assertTrue(out.endswith("\nfine\n"))

    def test_options_that_fight_the_server_are_told(self):
        self.assertEqual(self.codes("&pool_size=7&pool_max_overflow=10"), set())
        self.assertEqual(self.codes("&pool_size=8&pool_max_overflow=10"), {"over-limit"})
        self.assertEqual(self.codes("&pool_max_overflow=-1"), {"no-limit"})
        self.server.sql("alter role app set idle_session_timeout = '1min'")
        self.server.sql("alter role app set statement_timeout = '20s'")
        self.server.sql("alter role app set idle_in_transaction_session_timeout = '25s'")
        self.addCleanup(self.server.sql, "alter role app reset all")
        self.assertEqual(self.codes(), {"recycle-never", "no-pre-ping", "statement-timeout", "transaction-idle-timeout"})
        self.assertEqual(self.codes("&pool_timeout=20s&pool_recycle=1min&pool_pre_ping=true"), {"recycle-late"})
        self.assertEqual(self.codes("&pool_timeout=20s&pool_recycle=59s&pool_pre_ping=on"), set())
        out, _ = self.run_tool("check", self.server.url())
        self.assertRegex(out, r"(?m)^idle timeout +1 min$")
        self.assertIn("warning: ", out)

    def test_a_refused_password_is_a_failure_that_repeats_none(self):
        url = self.server.url(password="wrong-4711")
        out, err = self.run_tool("check", url, code=1)
        self.assertEqual(out, "")
        self.assertRegex(err, r"^dbpool: .*password authentication failed.*\n$")
        self.assertEqual(self.run_json("check", url, "--json", code=1)["error"]["status"], "DBPOOL_ECONNECT")
        _, err = self.run_tool("bench", url, code=1)
        self.assertIn("password authentication failed", err)


class Bench(OnPostgresql):
    def start(self, *args):
        return self.start_tool("bench", self.server.url(), "-t", 8, "-c", 4, "-d", "60s", "--progress", "--verify-after", "--json", "-", *args)

    def stop(self, process, code=0):
        process.send_signal(signal.SIGINT)
        out, _ = self.finish(process, code)
        return json.loads(out)

    def test_threads_share_the_connections(self):
        for more in ([], ["--raw"], ["--rate", 200]):
            got = self.run_json("bench", self.server.url(), "-t", 8, "-c", 4, "-d", "300ms", "--json", "-", *more)
            self.assertEqual((got["connections"], got["failed"]), (4, 0))
            self.assertGreater(got["completed"], 0)
            if got["pool"]:
                self.assertLessEqual(got["pool"]["opened"], 4)

    def test_a_transaction_left_open_does_not_reach_the_next(self):
        for more in ([], ["--raw"]):
            got = self.run_json("bench", self.server.url(), "-t", 2, "-c", 1, "-d", "200ms", "-q", "begin", "-q", "set local search_path = x",
                                "-q", "select 1", "--json", "-", *more)
            self.assertEqual(got["failed"], 0)
            if got["pool"]:
                self.assertEqual(got["pool"]["resets"], got["completed"])

    def test_failures_carry_their_sqlstate(self):
        got = self.run_json("bench", self.server.url(), "-t", 2, "-d", "200ms", "-q", "select 1/0", "--json", "-", code=1)
        self.assertEqual([failure["sqlstate"] for failure in got["failures"]], ["22012"])
        self.assertFalse(got["failures"][0]["connection_lost"])
        self.assertEqual(got["pool"]["invalidated"], 0)
        got = self.run_json("bench", self.server.url(), "-t", 1, "-d", "200ms", "-q", "copy (select 1) to stdout", "--json", "-", code=1)
        self.assertEqual(got["failures"][0]["status"], "DBPOOL_EUNSUPPORTED")

    def test_a_query_that_takes_too_long_is_given_up(self):
        got = self.run_json("bench", self.server.url(), "-t", 1, "-d", "300ms", "--query-timeout", "50ms", "-q", "select pg_sleep(600)",
                            "--verify-after", "--json", "-", code=1)
        self.assertEqual(got["failures"][0]["status"], "DBPOOL_ETIMEOUT")
        self.assertTrue(got["failures"][0]["connection_lost"])
        self.assertTrue(got["verify"]["passed"])

    def test_killed_sessions_cost_no_place(self):
        for more in ([], ["--rate", "500"]):
            process = self.start(*more)
            for _ in range(3):
                self.assertIn("/s", process.stderr.readline())
                self.server.sql("select pg_terminate_backend(pid) from pg_stat_activity"
                                " where backend_type = 'client backend' and pid <> pg_backend_pid()")
            self.assertIn("/s", process.stderr.readline())
            got = self.stop(process)
            self.assertTrue(got["verify"]["passed"], got["verify"])
            self.assertEqual(got["verify"]["lent_at_once"], 4)
            self.assertGreater(got["pool"]["opened"], 4)
            self.assertGreater(got["completed"], 0)

    def test_a_server_that_hangs_does_not_hang_the_run(self):
        url = self.server.url("&pool_connect_timeout=1s")
        process = self.start_tool("bench", url, "-t", 8, "-c", 4, "-d", "2s", "--progress", "--verify-after", "--json", "-")
        self.assertIn("/s", process.stderr.readline())
        go_on = self.server.stop_processes()
        try:
            got = json.loads(self.finish(process, 0)[0])
        finally:
            go_on()
        self.assertEqual({failure["status"] for failure in got["failures"]}, {"DBPOOL_ETIMEOUT"})
        self.assertTrue(got["verify"]["passed"], got["verify"])
        self.assertEqual(got["verify"]["lent_at_once"], 0)
        self.assertGreater(got["verify"]["refused"], 0)

    def test_a_server_that_restarts_costs_no_place_and_no_spin(self):
        process = self.start()
        self.assertIn("/s", process.stderr.readline())
        self.server.control("stop")
        for _ in range(2):
            self.assertIn("failed", process.stderr.readline())
        self.server.control("start")
        process.stderr.readline()
        process.stderr.readline()
        got = self.stop(process)
        self.assertTrue(got["verify"]["passed"], got["verify"])
        self.assertEqual(got["verify"]["lent_at_once"], 4)
        # Eight threads that pause up to half a second cannot fail more often than this in the seconds that it took.
        self.assertLess(got["failed"], 8 * (12 + 2 * got["elapsed_s"]))


if __name__ == "__main__":
    if not all(map(find_program, ("initdb", "pg_ctl", "psql"))):
        print("skipped: PostgreSQL's server or client programs are not installed")
        sys.exit(77)
    main()
